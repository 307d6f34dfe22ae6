//! Reading a file at places, with some bytes ahead.
use std::io::{Read, Seek, SeekFrom};

use crate::error::ReadError;

/// Bytes read at once: a file is read with few calls, and little of it too much.
const AHEAD_BYTES: usize = 64 << 10;

/// A file, and the part of it read last.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    start: u64,
    bytes: Vec<u8>,
}

impl<R: Read + Seek> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, start: 0, bytes: Vec::new() }
    }

    /// Returns the length of the file.
    pub(crate) fn size(&mut self) -> Result<u64, ReadError> {
        self.source.seek(SeekFrom::End(0)).map_err(|source| ReadError::Io { offset: 0, source })
    }

    /// Returns `len` bytes from `offset` on, fewer at the end of the file.
    pub(crate) fn at(&mut self, offset: u64, len: usize) -> Result<&[u8], ReadError> {
        let from = if let Some(from) = self.inside(offset, len) {
            from
        } else {
            self.fill(offset, len.max(AHEAD_BYTES))?;
            0
        };
        let end = self.bytes.len().min(from + len);
        Ok(&self.bytes[from..end])
    }

    /// Returns where in the part read last those bytes are, if they all are.
    fn inside(&self, offset: u64, len: usize) -> Option<usize> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        (from.checked_add(len)? <= self.bytes.len()).then_some(from)
    }

    fn fill(&mut self, offset: u64, len: usize) -> Result<(), ReadError> {
        self.bytes.clear();
        self.start = offset;
        let sought = self.source.seek(SeekFrom::Start(offset));
        let read =
            sought.and_then(|_| self.source.by_ref().take(len as u64).read_to_end(&mut self.bytes));
        read.map(drop).map_err(|source| ReadError::Io { offset, source })
    }
}
