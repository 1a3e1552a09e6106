//! The messages of one side: what was sent, and what came of it.

use peerless_sctp::{Order, Reliability};
use std::collections::BTreeMap;

/// Each has a number, which travels as its payload protocol identifier.
#[derive(Default)]
pub(crate) struct Messages {
    sent: Vec<Sent>,
    /// The numbers of those that came, in the order in which they did.
    heard: Vec<u32>,
}

struct Sent {
    stream: u16,
    len: usize,
    order: Order,
    reliability: Reliability,
}

impl Messages {
    /// Notes one that is sent; gives its number and payload.
    pub(crate) fn send(
        &mut self,
        stream: u16,
        len: usize,
        order: Order,
        reliability: Reliability,
    ) -> (u32, Vec<u8>) {
        let number = u32::try_from(self.sent.len()).unwrap();
        self.sent.push(Sent { stream, len, order, reliability });
        (number, payload(number, len))
    }

    /// Notes one that came, and that it is as it was sent.
    pub(crate) fn hear(&mut self, what: &str, stream: u16, number: u32, bytes: &[u8]) {
        let Some(sent) = self.sent.get(number as usize) else {
            panic!("{what}: message {number} was never sent");
        };
        assert_eq!((stream, bytes.len()), (sent.stream, sent.len), "{what}: message {number}");
        assert!(bytes == payload(number, sent.len), "{what}: message {number} has changed");
        self.heard.push(number);
    }

    /// How many were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// The numbers of those that came, in the order in which they did.
    pub(crate) fn heard(&self) -> &[u32] {
        &self.heard
    }

    /// The reliable ones that have not come.
    pub(crate) fn missing(&self) -> Vec<usize> {
        let mut came = vec![false; self.sent.len()];
        self.heard.iter().for_each(|number| came[*number as usize] = true);
        let sent = self.sent.iter().zip(came).enumerate();
        let missing =
            sent.filter(|(_, (sent, came))| sent.reliability == Reliability::Reliable && !came);
        missing.map(|(number, _)| number).collect()
    }

    /// Each came once at most, and the ordered ones of a stream in their order.
    pub(crate) fn check_what_came(&self, what: &str) {
        let mut times = vec![0; self.sent.len()];
        let mut last: BTreeMap<u16, u32> = BTreeMap::new();
        for number in &self.heard {
            let message = &self.sent[*number as usize];
            times[*number as usize] += 1;
            if message.order == Order::Ordered {
                let before = last.insert(message.stream, *number);
                assert!(before < Some(*number), "{what}: {number} came after {before:?}");
            }
        }
        let twice = times.iter().position(|times| *times > 1);
        assert_eq!(twice, None, "{what}: it came twice");
    }
}

fn payload(number: u32, len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + number as usize * 31) as u8).collect()
}
