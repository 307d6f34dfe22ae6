//! Why something was refused or a connection closed.

use crate::bits::DecodeError;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// A reason with a number: of an error message, and of a WebSocket close frame (the range
        /// 4000 to 4999 is for applications, RFC 6455 §7.4.2).
        ///
        /// 4000 to 4099 end the connection; from 4100 on it goes on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(test, derive(serde::Serialize), serde(into = "u16"))]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// All codes in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the code with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// A message could not be read.
    BadMessage = 4000,
    /// The server speaks another protocol version or schema: reload the page.
    Version = 4001,
    /// The access token is missing, wrong or expired: log in again.
    Unauthorized = 4002,
    /// The session is gone: start a new one with an access token.
    ResumeExpired = 4003,
    /// More messages or bytes than allowed.
    TooFast = 4004,
    /// A message over the limit.
    TooBig = 4005,
    /// The client reads too slowly; reconnect and resume.
    TooSlow = 4006,
    /// The same session was opened elsewhere.
    TakenOver = 4007,
    /// The account is banned.
    Banned = 4008,
    /// This gateway goes away; resume at the endpoint of the last move message.
    Moved = 4009,
    /// The gateway takes no more sessions now: retry with jitter.
    Overloaded = 4010,
    /// No hello came in time.
    HelloTimeout = 4011,
    /// Nothing came for too long.
    Idle = 4012,
    /// A failure of ours; reconnect and resume.
    Internal = 4013,
    /// A message that makes no sense now, such as a second hello.
    OutOfPlace = 4014,
    /// An input's sequence repeated or went back.
    Replayed = 4015,
    /// The queue refused the ticket.
    QueueRefused = 4100,
    /// There is no such party, or it is full.
    PartyUnknown = 4101,
    /// Only the leader can do that.
    NotLeader = 4102,
    /// The match is over or cannot be reached.
    MatchGone = 4103,
    /// A part behind the gateway does not answer; it is retried.
    Unavailable = 4104,
}

impl Code {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether the connection ends with it.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        self.number() < 4100
    }

    pub(super) fn decode(number: u16) -> Result<Self, DecodeError> {
        Self::from_number(number)
            .ok_or_else(|| DecodeError::BadValue { field: "code", found: number.to_string() })
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code.number()
    }
}
