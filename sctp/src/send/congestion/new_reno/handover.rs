//! The window, going on in another process.

use super::NewReno;
use crate::handover::{HandoverError, Reader, Writer};
use crate::send::congestion::handover::{HandOver, read_bytes};

impl HandOver for NewReno {
    fn number(&self) -> u8 {
        0
    }

    fn hand_over(&self, out: &mut Writer) {
        let known = self.threshold != usize::MAX;
        out.size(self.window);
        out.option(known.then_some(self.threshold), Writer::size);
        out.size(self.partial);
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.window = read_bytes(from)?.max(self.segment);
        self.threshold = from.option(read_bytes)?.unwrap_or(usize::MAX);
        self.partial = read_bytes(from)?.min(self.window);
        Ok(())
    }
}
