//! When two H.264 formats are the same one, and which level an answer says
//! ([RFC 6184 §8.1, §8.2.2](https://www.rfc-editor.org/rfc/rfc6184#section-8.2.2)).

use super::parameter;

/// `profile-level-id`: profile_idc, the constraint flags (profile-iop), level_idc.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct ProfileLevel {
    idc: u8,
    constraints: u8,
    level: u8,
}

/// What Table 5 of RFC 6184 makes of profile_idc and constraint flags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Profile {
    Baseline,
    ConstrainedBaseline,
    ConstrainedHigh,
    High,
    Main,
    Other(u8, u8),
}

impl ProfileLevel {
    /// "If no profile-level-id is present, the Baseline profile, without additional constraints at
    /// Level 1, MUST be inferred" (RFC 6184 §8.1).
    const DEFAULT: Self = Self { idc: 0x42, constraints: 0, level: 10 };

    fn of(parameters: &str) -> Option<Self> {
        let Some(text) = parameter(parameters, "profile-level-id") else {
            return Some(Self::DEFAULT);
        };
        let number = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 6)?;
        let [_, idc, constraints, level] = number.to_be_bytes();
        Some(Self { idc, constraints, level })
    }

    const fn profile(self) -> Profile {
        match (self.idc, self.constraints) {
            (0x42, flags) if flags & 0x4F == 0x40 => Profile::ConstrainedBaseline,
            (0x4D, flags) if flags & 0x8F == 0x80 => Profile::ConstrainedBaseline,
            (0x58, flags) if flags & 0xCF == 0xC0 => Profile::ConstrainedBaseline,
            (0x42, flags) if flags & 0x4F == 0x00 => Profile::Baseline,
            (0x58, flags) if flags & 0xCF == 0x80 => Profile::Baseline,
            (0x4D, flags) if flags & 0xAF == 0x00 => Profile::Main,
            (0x64, 0x00) => Profile::High,
            (0x64, 0x0C) => Profile::ConstrainedHigh,
            (idc, flags) => Profile::Other(idc, flags),
        }
    }

    /// Levels in their order. Level 1b of the three old profiles is level_idc 11 with
    /// constraint_set3_flag, and stands between 1 and 1.1.
    const fn rank(self) -> u16 {
        let is_1b = self.level == 11
            && self.constraints & 0x10 != 0
            && matches!(self.idc, 0x42 | 0x4D | 0x58);
        if is_1b { 10 * 2 + 1 } else { self.level as u16 * 2 }
    }
}

/// "The parameters identifying a media format configuration for H.264 are profile-level-id and
/// packetization-mode": the profile must be the same, and the mode; the level may differ.
pub(super) fn is_same(ours: &str, theirs: &str) -> bool {
    let mode = |parameters| parameter(parameters, "packetization-mode").unwrap_or("0").to_owned();
    match (ProfileLevel::of(ours), ProfileLevel::of(theirs)) {
        (Some(own), Some(other)) => own.profile() == other.profile() && mode(ours) == mode(theirs),
        _ => false,
    }
}

/// Our parameters in an answer: our level where both sides allow levels to differ, else the lower
/// one; spelled in the way of the offer, whose profile_idc and flags may be another spelling of the
/// same profile.
pub(super) fn answer(ours: &str, offered: &str) -> String {
    let asymmetric = |parameters| parameter(parameters, "level-asymmetry-allowed") == Some("1");
    let (Some(own), Some(other)) = (ProfileLevel::of(ours), ProfileLevel::of(offered)) else {
        return ours.to_owned();
    };
    let both = asymmetric(ours) && asymmetric(offered);
    let level = if both || own.rank() <= other.rank() { own } else { other };
    let ProfileLevel { idc, .. } = other;
    // constraint_set3 is part of the level where it means 1b, and of the profile elsewhere.
    let constraints = match matches!(idc, 0x42 | 0x4D | 0x58) {
        true => other.constraints & !0x10 | level.constraints & 0x10,
        false => other.constraints,
    };
    let mode = parameter(offered, "packetization-mode").unwrap_or("0");
    format!(
        "level-asymmetry-allowed={};packetization-mode={mode};profile-level-id={idc:02x}{constraints:02x}{:02x}",
        u8::from(both),
        level.level,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> String {
        format!("packetization-mode=1;profile-level-id={id}")
    }

    #[test]
    fn profiles_have_several_spellings() {
        for other in ["42e01f", "42c00b", "42E034", "4d801f", "58c01f"] {
            assert!(is_same(&id("42e01f"), &id(other)), "{other}");
        }
        for other in ["42001f", "4d001f", "64001f", "640c1f", "xyz"] {
            assert!(!is_same(&id("42e01f"), &id(other)), "{other}");
        }
        assert!(is_same("", "packetization-mode=0;profile-level-id=42000a"));
        assert!(!is_same(&id("42e01f"), "profile-level-id=42e01f"));
    }

    #[test]
    fn the_lower_level_is_answered_unless_both_may_differ() {
        assert!(answer(&id("42e01f"), &id("42e00b")).ends_with("profile-level-id=42e00b"));
        assert!(answer(&id("42e00b"), &id("42c01f")).ends_with("profile-level-id=42c00b"));
        let asymmetric = |text: &str| format!("level-asymmetry-allowed=1;{}", id(text));
        let answered = answer(&asymmetric("42e01f"), &asymmetric("42e00b"));
        assert_eq!(
            answered,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
        );
    }
}
