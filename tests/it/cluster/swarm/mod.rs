//! Docker Swarm: real engines, in a lab.

mod lab;
