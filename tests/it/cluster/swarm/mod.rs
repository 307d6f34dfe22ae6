//! Docker Swarm: real engines, in a lab.

mod gpu_image;
mod lab;
mod pipeline;
