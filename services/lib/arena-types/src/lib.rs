//! Ids and units shared by every part of Arena, and the words of the instance contract.
//!
//! Nothing here waits, reads or decides: a value is parsed once, at the edge, and trusted after.

mod bucket;
pub mod contract;
mod failover;
mod ids;
mod match_record;
mod names;
pub mod registry;

pub use bucket::{BUCKETS, Share, ShareError, bucket};
pub use failover::{FailoverError, FailoverPolicy, QueueFailover, QueueFailoverError};
pub use ids::{Epoch, MatchId, ParseIdError, PlayerId, SessionId, Tick, TicketId};
pub use match_record::{MATCHES, MatchRecord, Seated, match_key};
pub use names::{ClusterName, InstanceId, NameError, PartyCode, Region, ReleaseId, ServiceName};
