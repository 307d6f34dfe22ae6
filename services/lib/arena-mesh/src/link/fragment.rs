//! Cuts frames into datagrams and puts them together again; pure, bounded, latest wins.

use std::collections::HashMap;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Bytes before each fragment: link, flow, sequence, index, count.
pub(crate) const HEADER_LEN: usize = 4 + 4 + 4 + 2 + 2;
/// Fragments of one frame: 64 of the smallest room (about 1 140 bytes) hold [`super::FRAME_LEN_MAX`].
const FRAGMENTS_MAX: usize = 64;
/// Flows a link remembers; one a session, so far above what an instance hosts.
const FLOWS_MAX: usize = 4096;
/// Bytes of unfinished frames a link holds.
const PARTIAL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is before each fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) link: u32,
    pub(crate) flow: u32,
    pub(crate) seq: u32,
    pub(crate) index: u16,
    pub(crate) count: u16,
}

impl Header {
    /// Takes a header off a datagram; `None` if it is malformed.
    pub(crate) fn take(datagram: &mut Bytes) -> Option<Self> {
        if datagram.len() < HEADER_LEN {
            return None;
        }
        let (link, flow, seq) = (datagram.get_u32(), datagram.get_u32(), datagram.get_u32());
        let (index, count) = (datagram.get_u16(), datagram.get_u16());
        let sound = index < count && usize::from(count) <= FRAGMENTS_MAX;
        sound.then_some(Self { link, flow, seq, index, count })
    }

    fn put(self, out: &mut BytesMut) {
        out.put_u32(self.link);
        out.put_u32(self.flow);
        out.put_u32(self.seq);
        out.put_u16(self.index);
        out.put_u16(self.count);
    }
}

/// Cuts `frame` into datagrams of at most `datagram_len` bytes; `None` if that needs more than 64.
pub(crate) fn split(
    (link, flow, seq): (u32, u32, u32),
    frame: &[u8],
    datagram_len: usize,
) -> Option<impl Iterator<Item = Bytes>> {
    let room = datagram_len.checked_sub(HEADER_LEN).filter(|room| *room > 0)?;
    let count = frame.len().div_ceil(room).max(1);
    if count > FRAGMENTS_MAX {
        return None;
    }
    let even = frame.len().div_ceil(count).max(1); // equal lengths keep segmentation offload in use
    Some((0..count).map(move |index| {
        let part = &frame[(index * even).min(frame.len())..((index + 1) * even).min(frame.len())];
        let mut out = BytesMut::with_capacity(HEADER_LEN + part.len());
        Header { link, flow, seq, index: index as u16, count: count as u16 }.put(&mut out);
        out.extend_from_slice(part);
        out.freeze()
    }))
}

/// Returns whether `seq` comes after `than`, across wrap-around.
fn is_after(seq: u32, than: u32) -> bool {
    (seq.wrapping_sub(than) as i32) > 0
}

/// The frames of one link being put together: one unfinished frame a flow, the newest.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    flows: HashMap<u32, Flow>,
    partial_bytes: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Flow {
    delivered: Option<u32>,
    partial: Option<Partial>,
    used: u64,
}

#[derive(Debug)]
struct Partial {
    seq: u32,
    parts: Vec<Option<Bytes>>,
    missing: usize,
    len: usize,
}

impl Reassembly {
    /// Takes one fragment and returns the frame it completes. Frames that are not newer than the last
    /// one delivered, or older than the one being put together, are dropped.
    pub(crate) fn push(&mut self, header: Header, part: Bytes) -> Option<Bytes> {
        self.make_room(header.flow);
        self.clock += 1;
        let flow = self.flows.entry(header.flow).or_default();
        flow.used = self.clock;
        if flow.delivered.is_some_and(|delivered| !is_after(header.seq, delivered)) {
            return None;
        }
        let older = flow.partial.as_ref().map(|partial| partial.seq);
        if older.is_some_and(|partial| is_after(partial, header.seq)) {
            return None;
        }
        if older != Some(header.seq) {
            self.partial_bytes -= flow.partial.take().map_or(0, |partial| partial.len);
        }
        if header.count == 1 {
            flow.delivered = Some(header.seq);
            return Some(part);
        }
        if self.partial_bytes + part.len() > PARTIAL_BYTES_MAX {
            return None;
        }
        let partial = flow.partial.get_or_insert_with(|| Partial::new(header));
        self.partial_bytes += partial.put(header, part);
        if partial.missing > 0 {
            return None;
        }
        flow.delivered = Some(header.seq);
        let whole = flow.partial.take()?;
        self.partial_bytes -= whole.len;
        Some(whole.join())
    }

    /// Forgets the flow unused for longest if a new one would be one too many.
    fn make_room(&mut self, flow: u32) {
        if self.flows.len() < FLOWS_MAX || self.flows.contains_key(&flow) {
            return;
        }
        let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.used).map(|(id, _)| *id);
        if let Some(flow) = oldest.and_then(|oldest| self.flows.remove(&oldest)) {
            self.partial_bytes -= flow.partial.map_or(0, |partial| partial.len);
        }
    }
}

impl Partial {
    fn new(header: Header) -> Self {
        let count = usize::from(header.count);
        Self { seq: header.seq, parts: vec![None; count], missing: count, len: 0 }
    }

    /// Adds a part once and returns the bytes it added.
    fn put(&mut self, header: Header, part: Bytes) -> usize {
        if self.parts.len() != usize::from(header.count) {
            return 0;
        }
        let Some(slot @ None) = self.parts.get_mut(usize::from(header.index)) else { return 0 };
        let len = part.len();
        *slot = Some(part);
        self.missing -= 1;
        self.len += len;
        len
    }

    fn join(self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len);
        self.parts.into_iter().flatten().for_each(|part| out.extend_from_slice(&part));
        out.freeze()
    }
}

#[cfg(test)]
#[path = "fragment/tests.rs"]
mod tests;
