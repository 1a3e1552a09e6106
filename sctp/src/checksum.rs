//! The CRC32c of packets ([RFC 9260 §A](https://www.rfc-editor.org/rfc/rfc9260#appendix-A)).
//!
//! Two of them were a third of what a packet cost. The crate `crc32c` is made for longer data: at the
//! lengths of packets it takes a third to a half as long again, at those of SACKs twice as long. So on
//! x86-64 the work is divided here. The processor can begin a step of a CRC in each cycle, and ends it
//! three cycles later: three stretches of the data take no longer than one.
//!
//! ```text
//!  │ first      │ second     │ third      │ rest  │     the sum of all but the rest is
//!  └─ n × 32 ───┴─ n × 32 ───┴─ n × 32 ───┴───────┘
//!         first, as if 2n × 32 zeros followed ⊕ second, as if n × 32 zeros did ⊕ third
//! ```
//!
//! What zeros do to a sum is a linear map of its 32 bits, which tables have for every `n`.

/// The sum of what had the sum `sum`, zero for nothing, and of `bytes` after it.
#[inline]
pub(crate) fn append(sum: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(token) = fearless_simd::Level::new().as_sse4_2() {
        return x86_64::append(token, sum, bytes);
    }
    crc32c::crc32c_append(sum, bytes)
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

    fearless_simd::kernel!(
        pub(super) fn append(token: Sse4_2, sum: u32, bytes: &[u8]) -> u32 {
            // A sum begins with ones and is inverted in the end.
            let (mut sum, mut rest) = (u64::from(!sum), bytes);
            while let steps = (rest.len() / (3 * STEP)).min(MOST)
                && steps >= LEAST
                && let Some((first, after)) = rest.split_at_checked(steps * STEP)
                && let Some((second, after)) = after.split_at_checked(steps * STEP)
                && let Some((third, after)) = after.split_at_checked(steps * STEP)
                && let (Some(once), Some(twice)) = (ZEROS.get(steps), ZEROS.get(2 * steps))
            {
                let (mut of_second, mut of_third) = (0, 0);
                let words = |bytes| <[u8]>::as_chunks::<8>(bytes).0.iter();
                let triples = words(first).zip(words(second)).zip(words(third));
                for ((first, second), third) in triples {
                    sum = _mm_crc32_u64(sum, u64::from_le_bytes(*first));
                    of_second = _mm_crc32_u64(of_second, u64::from_le_bytes(*second));
                    of_third = _mm_crc32_u64(of_third, u64::from_le_bytes(*third));
                }
                sum = twice.after(sum) ^ once.after(of_second) ^ of_third;
                rest = after;
            }
            let (words, rest) = rest.as_chunks();
            for word in words {
                sum = _mm_crc32_u64(sum, u64::from_le_bytes(*word));
            }
            // The upper half is zero.
            let mut sum = sum as u32;
            let (words, rest) = rest.as_chunks();
            for word in words {
                sum = _mm_crc32_u32(sum, u32::from_le_bytes(*word));
            }
            for byte in rest {
                sum = _mm_crc32_u8(sum, *byte);
            }
            !sum
        }
    );

    /// The length of a stretch is a multiple of this, in bytes.
    const STEP: usize = 32;
    /// The most steps of a stretch: three are 1344 bytes, and packets seldom more.
    const MOST: usize = 14;
    /// The fewest: a shorter stretch is not worth the tables.
    const LEAST: usize = 2;

    /// What so many times [`STEP`] zeros do to a sum.
    static ZEROS: [Zeros; 2 * MOST + 1] = Zeros::all();

    /// What some zeros do to a sum: for each four bits of it, and each value of theirs, what the
    /// value becomes.
    #[derive(Clone, Copy)]
    struct Zeros([[u32; 16]; 8]);

    impl Zeros {
        #[inline]
        fn after(&self, sum: u64) -> u64 {
            let values = self.0.iter().enumerate().map(|(at, table)| {
                let value = sum >> (4 * at) & 0xF;
                table.get(value as usize).copied().unwrap_or_default()
            });
            values.fold(0, |all, value| all ^ u64::from(value))
        }

        #[expect(clippy::indexing_slicing, reason = "reckoned by the compiler")]
        const fn all() -> [Self; 2 * MOST + 1] {
            let mut all = [Self([[0; 16]; 8]); 2 * MOST + 1];
            // What becomes of each bit: at first, nothing.
            let mut bits = [0; 32];
            let mut bit = 0;
            while bit < 32 {
                bits[bit] = 1 << bit;
                bit += 1;
            }
            let mut steps = 0;
            while steps < all.len() {
                let mut entry = 0;
                while entry < 8 * 16 {
                    let (at, value) = (entry / 16, entry % 16);
                    let mut bit = 0;
                    while bit < 4 {
                        if value >> bit & 1 == 1 {
                            all[steps].0[at][value] ^= bits[4 * at + bit];
                        }
                        bit += 1;
                    }
                    entry += 1;
                }
                let mut bit = 0;
                while bit < 32 {
                    bits[bit] = after_a_step(bits[bit]);
                    bit += 1;
                }
                steps += 1;
            }
            all
        }
    }

    /// What [`STEP`] zeros do to a sum, bit by bit.
    const fn after_a_step(mut sum: u32) -> u32 {
        let mut bit = 0;
        while bit < 8 * STEP {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        sum
    }

    /// "0x1EDC6F41" (§A), its bits in the order in which the sum's are.
    const POLYNOMIAL: u32 = 0x1EDC_6F41_u32.reverse_bits();
}

#[cfg(test)]
mod tests {
    use super::append;
    use rand::rngs::ChaCha20Rng;
    use rand::{RngExt as _, SeedableRng as _};

    /// [RFC 3720 §B.4](https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4).
    #[test]
    fn the_sums_of_the_examples() {
        let upwards: Vec<u8> = (0..32).collect();
        let downwards: Vec<u8> = (0..32).rev().collect();
        for (bytes, sum) in [
            (&b"123456789"[..], 0xE306_9283),
            (&[0; 32], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&upwards, 0x46DD_794E),
            (&downwards, 0x113F_DB5C),
        ] {
            assert_eq!(append(0, bytes), sum, "{bytes:?}");
        }
    }

    #[test]
    fn sums_of_any_length_are_those_of_another_implementation() {
        let mut random = ChaCha20Rng::from_seed([32; 32]);
        let bytes: Vec<u8> = (0..6000).map(|_| random.random()).collect();
        for len in 0..bytes.len() {
            let from = random.random_range(0..=bytes.len() - len);
            let (bytes, before) = (&bytes[from..from + len], random.random());
            assert_eq!(append(before, bytes), crc32c::crc32c_append(before, bytes), "{len} bytes");
        }
    }

    #[test]
    fn a_sum_goes_on_where_it_stood() {
        let bytes: Vec<u8> = (0..3000).map(|index| index as u8).collect();
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(append(append(0, first), second), append(0, &bytes), "at {at}");
        }
    }
}
