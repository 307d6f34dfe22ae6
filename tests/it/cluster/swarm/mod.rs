//! Docker Swarm: real engines, in a lab.

mod backend;
mod doctor;
mod gpu_image;
mod killed;
mod lab;
mod live;
mod nodes;
mod pipeline;
mod players;
mod refused;
mod rows;
mod steered;
mod stub;
