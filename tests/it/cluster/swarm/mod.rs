//! Docker Swarm: real engines, in a lab.

mod doctor;
mod gpu_image;
mod lab;
mod live;
mod pipeline;
