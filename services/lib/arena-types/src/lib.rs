//! Ids and units shared by every part of Arena.
