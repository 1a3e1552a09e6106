//! The two halves of the message type: class and method.

use std::fmt;

/// What a message is for
/// ([RFC 8489 §5](https://www.rfc-editor.org/rfc/rfc8489#section-5)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for nothing.
    Indication,
    /// Answers a request that was granted.
    SuccessResponse,
    /// Answers a request that was not.
    ErrorResponse,
}

impl Class {
    pub(crate) const fn from_type(message_type: u16) -> Self {
        match (message_type & 0x0100 != 0, message_type & 0x0010 != 0) {
            (false, false) => Self::Request,
            (false, true) => Self::Indication,
            (true, false) => Self::SuccessResponse,
            (true, true) => Self::ErrorResponse,
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0000,
            Self::Indication => 0x0010,
            Self::SuccessResponse => 0x0100,
            Self::ErrorResponse => 0x0110,
        }
    }

    /// Returns whether this is one of the two responses.
    pub const fn is_response(self) -> bool {
        matches!(self, Self::SuccessResponse | Self::ErrorResponse)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Indication => "indication",
            Self::SuccessResponse => "success",
            Self::ErrorResponse => "error",
        })
    }
}

/// What a message is about, of the registry in
/// [RFC 8489 §18.2](https://www.rfc-editor.org/rfc/rfc8489#section-18.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Asks for one's own address as the server sees it; ICE's connectivity checks use it too.
    Binding,
    /// A method that this crate does not know; only its low 12 bits exist on the wire.
    Unknown(u16),
}

impl Method {
    pub(crate) const fn from_type(message_type: u16) -> Self {
        // The class bits C0 and C1 sit at 4 and 8, between the bits of the method.
        let low = message_type & 0x000f;
        let middle = (message_type & 0x00e0) >> 1;
        let high = (message_type & 0x3e00) >> 2;
        match high | middle | low {
            0x001 => Self::Binding,
            other => Self::Unknown(other),
        }
    }

    /// Returns the method's number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Unknown(number) => number & 0x0fff,
        }
    }

    /// Joins method and class to a message type:
    ///
    /// ```text
    ///   0  1  2  3  4 5 6 7 8 9 0 1 2 3
    ///  +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
    ///  |M |M |M|M|M|C|M|M|M|C|M|M|M|M|
    ///  |11|10|9|8|7|1|6|5|4|0|3|2|1|0|
    ///  +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
    /// ```
    pub(crate) const fn with_class(self, class: Class) -> u16 {
        let number = self.number();
        let low = number & 0x000f;
        let middle = (number & 0x0070) << 1;
        let high = (number & 0x0f80) << 2;
        high | middle | low | class.bits()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding => f.write_str("binding"),
            Self::Unknown(number) => write!(f, "method {number:#05x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_type_splits_and_joins() {
        for message_type in 0..0x4000 {
            let (class, method) = (Class::from_type(message_type), Method::from_type(message_type));
            assert_eq!(method.with_class(class), message_type);
        }
    }

    #[test]
    fn a_binding_has_the_types_of_the_rfc() {
        assert_eq!(Method::Binding.with_class(Class::Request), 0x0001);
        assert_eq!(Method::Binding.with_class(Class::Indication), 0x0011);
        assert_eq!(Method::Binding.with_class(Class::SuccessResponse), 0x0101);
        assert_eq!(Method::Binding.with_class(Class::ErrorResponse), 0x0111);
    }
}
