//! The states of an association
//! ([RFC 9260 §4](https://www.rfc-editor.org/rfc/rfc9260#section-4)).

/// Where an association is in its life.
///
/// ```text
///                   connect                 shutdown
///       Closed ───▶ CookieWait   Established ───▶ ShutdownPending
///         │            │ INIT ACK   │   ▲              │ all data acknowledged
///         │            ▼            │   │              ▼
///         │         CookieEchoed ───┼───┤           ShutdownSent ──▶ ShutdownAckSent
///         │              COOKIE ACK │   │                 SHUTDOWN        ▲     │
///         └─────────────────────────┼───┘              SHUTDOWN ACK ▶     │     │ SHUTDOWN
///           COOKIE ECHO             │ SHUTDOWN            Closed          │     ▼ COMPLETE
///                                   ▼                                     │   Closed
///                                ShutdownReceived ────────────────────────┘
///                                               all data acknowledged
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum State {
    /// There is no association: not yet, or not any more.
    #[default]
    Closed,
    /// INIT was sent, or is about to be.
    CookieWait,
    /// COOKIE ECHO was sent.
    CookieEchoed,
    /// Data flows.
    Established,
    /// The application wants an end; its data is being delivered.
    ShutdownPending,
    /// SHUTDOWN was sent.
    ShutdownSent,
    /// The peer wants an end; our data is being delivered.
    ShutdownReceived,
    /// SHUTDOWN ACK was sent.
    ShutdownAckSent,
}

impl State {
    /// Whether DATA may be sent ([§6](https://www.rfc-editor.org/rfc/rfc9260#section-6)).
    #[inline]
    pub(crate) const fn may_send(self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownReceived)
    }

    /// Whether DATA is taken (§6).
    #[inline]
    pub(crate) const fn may_receive(self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownSent)
    }

    /// Whether the handshake is over and the association is not.
    pub(crate) const fn is_up(self) -> bool {
        !matches!(self, Self::Closed | Self::CookieWait | Self::CookieEchoed)
    }

    /// Whether the application may queue data.
    pub(crate) const fn takes_messages(self) -> bool {
        matches!(self, Self::Closed | Self::CookieWait | Self::CookieEchoed | Self::Established)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let all = [
            State::Closed,
            State::CookieWait,
            State::CookieEchoed,
            State::Established,
            State::ShutdownPending,
            State::ShutdownSent,
            State::ShutdownReceived,
            State::ShutdownAckSent,
        ];
        let table: String = all
            .iter()
            .map(|state| {
                let flag = |set, name: &'static str| if set { name } else { "-" };
                format!(
                    "{state:?} {}{}{}{}\n",
                    flag(state.may_send(), "S"),
                    flag(state.may_receive(), "R"),
                    flag(state.is_up(), "U"),
                    flag(state.takes_messages(), "M"),
                )
            })
            .collect();
        let expected = "Closed ---M\nCookieWait ---M\nCookieEchoed ---M\nEstablished SRUM\n\
                        ShutdownPending SRU-\nShutdownSent -RU-\nShutdownReceived S-U-\n\
                        ShutdownAckSent --U-\n";
        assert_eq!(table, expected);
    }
}
