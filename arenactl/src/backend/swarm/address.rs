//! Where a node is reached.

use std::net::{IpAddr, SocketAddr};

use bollard::models::Node;

/// Returns a node's address in the swarm. A manager's status may name no address of its own (0.0.0.0); where it
/// is reached by the others is then in its manager status.
pub(super) fn of(node: &Node) -> Option<IpAddr> {
    let told =
        node.status.as_ref().and_then(|it| it.addr.as_deref()).and_then(|it| it.parse().ok());
    let told = told.filter(|ip: &IpAddr| !ip.is_unspecified());
    let manager = node.manager_status.as_ref().and_then(|it| it.addr.as_deref());
    let manager = || Some(manager?.parse::<SocketAddr>().ok()?.ip());
    told.filter(|ip| !ip.is_loopback()).or_else(manager).or(told)
}
