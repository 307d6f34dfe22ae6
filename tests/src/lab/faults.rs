//! What can go wrong with machines, made to happen: each as it comes, and the way back.

use super::{Lab, network};

impl Lab {
    /// Ends a node at once, with all that runs on it, as a power cut does.
    ///
    /// # Errors
    /// If it is down already.
    pub async fn kill_node(&self, node: u8) -> anyhow::Result<()> {
        let (registry, node) = (self.registry.clone(), self.node(node)?.clone());
        let end = move || node.end().and_then(|()| registry.stop_on(&node));
        tokio::task::spawn_blocking(end).await?
    }

    /// Starts a killed node again, with the disk it had.
    ///
    /// # Errors
    /// If it or its engine does not start.
    pub async fn start_node(&self, node: u8) -> anyhow::Result<()> {
        let node = self.node(node)?;
        node.start(self.spec).await?;
        self.registry.start_on(node).await
    }

    /// Stops a node's engine as its service manager would, and starts it again.
    ///
    /// # Errors
    /// If it does not end or does not come back.
    pub async fn restart_daemon(&self, node: u8) -> anyhow::Result<()> {
        self.stop_daemon(node).await?;
        self.node(node)?.start_engine().await
    }

    /// Stops a node's engine as its service manager would: its containers end.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn stop_daemon(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.signal_engine("TERM").await?;
        self.node(node)?.engine_ended().await
    }

    /// Starts a node's engine again.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn start_daemon(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.start_engine().await
    }

    /// Stops a node's engine in its tracks; its containers go on.
    ///
    /// # Errors
    /// If there is none.
    pub async fn pause_daemon(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.signal_engine("STOP").await
    }

    /// Lets a paused engine go on.
    ///
    /// # Errors
    /// If there is none.
    pub async fn resume_daemon(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.signal_engine("CONT").await?;
        self.node(node)?.continue_engine()
    }

    /// Cuts a node off the network; it runs on by itself.
    ///
    /// # Errors
    /// If it is down.
    pub async fn unplug(&self, node: u8) -> anyhow::Result<()> {
        network::set_cable(&self.slot, node, "down").await
    }

    /// Puts a node back on the network.
    ///
    /// # Errors
    /// If it is down.
    pub async fn plug(&self, node: u8) -> anyhow::Result<()> {
        network::set_cable(&self.slot, node, "up").await
    }

    /// Fills a node's disk to its last byte. The lab must have been given a size of it.
    ///
    /// # Errors
    /// If the disk is the machine's.
    pub async fn fill_disk(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.fill_disk().await
    }

    /// Takes away what filled a node's disk.
    ///
    /// # Errors
    /// If nothing fills it.
    pub async fn free_disk(&self, node: u8) -> anyhow::Result<()> {
        self.node(node)?.free_disk().await
    }

    /// Stops the registry on every node; its images stay.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn stop_registry(&self) -> anyhow::Result<()> {
        let (registry, nodes) = (self.registry.clone(), self.nodes.clone());
        tokio::task::spawn_blocking(move || registry.stop(&nodes)).await?
    }

    /// Starts the registry again.
    ///
    /// # Errors
    /// If it does not listen.
    pub async fn start_registry(&self) -> anyhow::Result<()> {
        self.registry.start(&self.nodes).await
    }
}
