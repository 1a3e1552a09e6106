//! Datagrams and commands over TCP.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::flags::Flags;

/// The longest datagram that the runner is believed to send.
const MAX_DATAGRAM: usize = 1 << 20;

/// The connection to the runner.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
}

/// What comes from the runner.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    /// `P`: a datagram of the peer's.
    Datagram(Vec<u8>),
    /// `T`: so much time passes, which has to be acknowledged first.
    Time(Duration),
    /// `M`: datagrams must not be longer any more.
    Mtu(usize),
    /// `E`: the next timer has to be due in exactly that, or not to be.
    ExpectTimeout(Option<Duration>),
    /// `U`: the first retransmission comes after that.
    InitialTimeout(Duration),
    /// The runner has hung up.
    End,
}

impl Link {
    /// Connects, and says who we are.
    pub(crate) fn connect(flags: &Flags) -> io::Result<Self> {
        let address: SocketAddr = match flags.ipv6 {
            true => (Ipv6Addr::LOCALHOST, flags.port).into(),
            false => (Ipv4Addr::LOCALHOST, flags.port).into(),
        };
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(&flags.shim_id.to_le_bytes())?;
        Ok(Self { stream })
    }

    /// Sends a datagram. That nobody may be there to take it is no error: it is a datagram.
    pub(crate) fn send(&mut self, datagram: &[u8]) {
        let mut message = vec![b'P'];
        message.extend_from_slice(&(datagram.len() as u32).to_be_bytes());
        message.extend_from_slice(datagram);
        let _ = self.stream.write_all(&message);
    }

    /// Says that we know how much time passes; what is sent from here on is sent later.
    pub(crate) fn acknowledge_time(&mut self) -> io::Result<()> {
        self.stream.write_all(b"t")
    }

    pub(crate) fn receive(&mut self) -> io::Result<Incoming> {
        let opcode = match self.array() {
            Ok([opcode]) => opcode,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(Incoming::End);
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Incoming::End),
            Err(error) => return Err(error),
        };
        Ok(match opcode {
            b'P' => Incoming::Datagram(self.datagram()?),
            b'T' => Incoming::Time(Duration::from_nanos(u64::from_be_bytes(self.array()?))),
            b'M' => Incoming::Mtu(u32::from_be_bytes(self.array()?) as usize),
            b'E' => {
                let nanoseconds = u64::from_be_bytes(self.array()?);
                let timeout = (nanoseconds != u64::MAX).then(|| Duration::from_nanos(nanoseconds));
                Incoming::ExpectTimeout(timeout)
            }
            b'U' => {
                let milliseconds = u32::from_be_bytes(self.array()?);
                Incoming::InitialTimeout(Duration::from_millis(milliseconds.into()))
            }
            other => {
                let error = format!("the runner sent an opcode that is not known: {other}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        })
    }

    fn datagram(&mut self) -> io::Result<Vec<u8>> {
        let len = u32::from_be_bytes(self.array()?) as usize;
        if len > MAX_DATAGRAM {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the datagram is too long"));
        }
        let mut datagram = vec![0; len];
        self.stream.read_exact(&mut datagram)?;
        Ok(datagram)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Link {
    /// Lets the runner finish what it is writing, so that it reads our last words rather than find
    /// the connection broken.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = io::copy(&mut self.stream, &mut io::sink());
    }
}
