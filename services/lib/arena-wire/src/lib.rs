//! Messages, generated clients and servers, codecs; no I/O.
