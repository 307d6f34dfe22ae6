//! The lab's network: a bridge on this machine, a cable to every node.

use std::path::Path;

use anyhow::Context as _;

use super::node::NODES_MAX;
use super::run::{run, run_now};
use super::slot::Slot;

/// Rules of one direction that a killed lab may have left: one a start.
const RULES_MAX: usize = 16;

/// Makes the bridge and lets packets cross it: engines close the way of all that is not theirs.
///
/// A bridge without a hardware address of its own takes the lowest of its cables'. With the node of that cable dies
/// the way from all others to this machine, until they ask again who has its address.
pub(crate) async fn make(slot: &Slot) -> anyhow::Result<()> {
    let bridge = slot.bridge();
    let address = format!("{}/24", slot.host_address());
    let hardware = Slot::hardware_address(slot.host_address());
    run("ip", &["link", "add", &bridge, "address", &hardware, "type", "bridge"]).await?;
    run("ip", &["addr", "add", &address, "dev", &bridge]).await?;
    run("ip", &["link", "set", &bridge, "up"]).await?;
    for direction in ["-i", "-o"] {
        run("iptables", &["-w", "-I", "FORWARD", direction, &bridge, "-j", "ACCEPT"]).await?;
    }
    Ok(())
}

/// Lays the cable of a node whose first process is `init`.
pub(crate) async fn connect(slot: &Slot, node: u8, init: i32) -> anyhow::Result<()> {
    let (bridge, cable, init) = (slot.bridge(), slot.cable(node), init.to_string());
    let address = format!("{}/24", slot.address(node));
    let hardware = Slot::hardware_address(slot.address(node));
    remove_link(&cable)?; // of an earlier life of the node
    let peer = ["peer", "name", "eth0", "address", &hardware, "netns", &init];
    run("ip", &[&["link", "add", &cable, "type", "veth"], &peer[..]].concat()).await?;
    run("ip", &["link", "set", &cable, "master", &bridge, "up"]).await?;
    for args in [["addr", "add", &address, "dev", "eth0"], ["link", "set", "dev", "eth0", "up"]] {
        let inside = ["--target", &init, "--net", "ip"];
        run("nsenter", &[&inside[..], &args[..]].concat()).await?;
    }
    Ok(())
}

/// Pulls the cable of a node, or puts it back.
pub(crate) async fn set_cable(slot: &Slot, node: u8, state: &str) -> anyhow::Result<()> {
    run("ip", &["link", "set", &slot.cable(node), state]).await.map(drop)
}

/// Removes what of the network is there.
pub(crate) fn remove(slot: &Slot) -> anyhow::Result<()> {
    let bridge = slot.bridge();
    for direction in ["-i", "-o"] {
        let rule = ["-w", "-D", "FORWARD", direction, &bridge, "-j", "ACCEPT"];
        let _ = (0..RULES_MAX).take_while(|_| run_now("iptables", &rule).is_ok()).count();
    }
    (1..=NODES_MAX).map(|node| slot.cable(node)).chain([bridge]).try_for_each(|it| remove_link(&it))
}

fn remove_link(name: &str) -> anyhow::Result<()> {
    if !is_link(name) {
        return Ok(());
    }
    match run_now("ip", &["link", "del", name]) {
        // A cable goes by itself with its node, maybe between the look and the command.
        Err(error) if is_link(name) => Err(error).context("remove the lab's network"),
        _ => Ok(()),
    }
}

fn is_link(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}
