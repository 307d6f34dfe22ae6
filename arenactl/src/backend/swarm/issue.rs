//! Certificates, issued by the operator: the authority's key stays in the cluster.

use std::path::Path;
use std::time::Duration;

use arena_mesh::{LEAF_LIFE, Material};

use super::SwarmBackend;
use crate::backend::BackendError;
use crate::durable;
use crate::relay::{Call, RelayError, Reply};
use crate::supervisor::IdentityError;

/// A certificate, its key, and whom its owner trusts, in PEM.
pub(super) struct Issued {
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) roots: String,
}

impl SwarmBackend {
    /// Asks the operator for a certificate of `uri`.
    pub(super) async fn issued(
        &mut self,
        uri: &str,
        life: Duration,
    ) -> Result<Issued, BackendError> {
        let cluster = self.swarm.cluster.to_string();
        let call = Call::Issue { cluster, uri: uri.to_owned(), life_s: life.as_secs() };
        match self.call(&call).await? {
            Reply::Material { cert, key, roots } => Ok(Issued { cert, key, roots }),
            Reply::Failed { why } => Err(RelayError::Ended(why).into()),
            other => Err(RelayError::Ended(format!("unexpected reply {other:?}")).into()),
        }
    }

    /// Writes a certificate of `uri`, good for a day, into a folder of this machine.
    pub(super) async fn issue_into(
        &mut self,
        uri: &str,
        folder: &Path,
    ) -> Result<(), BackendError> {
        let Issued { cert, key, roots } = self.issued(uri, LEAF_LIFE).await?;
        let failed = |source| IdentityError::Write { folder: folder.to_path_buf(), source };
        let material = Material::from_pem(&cert, &key, &roots).map_err(failed)?;
        durable::private_folder(folder)?;
        material.save(folder).map_err(failed)?;
        Ok(())
    }
}
