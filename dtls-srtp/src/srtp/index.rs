/// Returns the index of the packet with `sequence_number`: the rollover counter that brings it
/// nearest to the `newest` index seen, above the sequence number
/// ([RFC 3711 §3.3.1](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1)).
///
/// Before any packet the counter is `first`. It never goes below zero: a number that would belong
/// to the time before the first packet is taken to be ahead, as libsrtp does. `None` at the end
/// of the 48 bits.
pub(super) fn estimate(newest: Option<u64>, first: u32, sequence_number: u16) -> Option<u64> {
    let sequence_number = u64::from(sequence_number);
    let Some(newest) = newest else {
        return Some(u64::from(first) << 16 | sequence_number);
    };
    let (counter, last) = (newest >> 16, newest & 0xFFFF);
    let counter = if last < HALF {
        if sequence_number > last + HALF { counter.saturating_sub(1) } else { counter }
    } else if last - HALF > sequence_number {
        counter + 1
    } else {
        counter
    };
    (counter <= MAX_ROLLOVER_COUNTER).then_some(counter << 16 | sequence_number)
}

const HALF: u64 = 1 << 15;

const MAX_ROLLOVER_COUNTER: u64 = u32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_has_a_rollover_counter_of_zero() {
        assert_eq!(estimate(None, 0, 65_000), Some(65_000));
    }

    #[test]
    fn the_first_packet_has_the_rollover_counter_that_was_told() {
        assert_eq!(estimate(None, 5, 65_000), Some(5 << 16 | 65_000));
    }

    #[test]
    fn the_counter_follows_the_nearest_index() {
        for (newest, sequence_number, index) in [
            (0x0_0005, 0x0006, 0x0_0006),
            (0x0_FFFF, 0x0000, 0x1_0000),
            (0x1_0000, 0xFFFF, 0x0_FFFF),
            (0x1_7FFF, 0xFFFF, 0x1_FFFF),
            (0x1_7FFE, 0xFFFF, 0x0_FFFF),
            (0x1_8000, 0x0000, 0x1_0000),
            (0x1_8001, 0x0000, 0x2_0000),
        ] {
            assert_eq!(estimate(Some(newest), 0, sequence_number), Some(index), "{newest:x}");
        }
    }

    #[test]
    fn nothing_comes_before_a_counter_of_zero() {
        assert_eq!(estimate(Some(3), 0, 65_535), Some(65_535));
    }

    #[test]
    fn the_last_index_does_not_wrap() {
        let last = (1 << 48) - 1;
        assert_eq!(estimate(Some(last), 0, 65_535), Some(last));
        assert_eq!(estimate(Some(last), 0, 0), None);
    }

    #[test]
    fn any_index_within_half_a_cycle_is_recovered() {
        for newest in (0x8000..0x5_0000u64).step_by(977) {
            for offset in (-0x7FFF..0x8000i64).step_by(331) {
                let index = newest.wrapping_add_signed(offset);
                assert_eq!(estimate(Some(newest), 0, index as u16), Some(index));
            }
        }
    }
}
