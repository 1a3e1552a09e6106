/// Which way up video is: what to do before showing it (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct VideoOrientation {
    /// Whether a camera on the back of the device, facing away from its user, took it.
    pub back_camera: bool,
    /// Whether it is mirrored left to right.
    pub flipped: bool,
    /// How far to turn it before showing.
    pub rotation: Rotation,
}

/// A turn, clockwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum Rotation {
    /// None.
    #[default]
    None = 0,
    /// 90°.
    Quarter = 1,
    /// 180°.
    Half = 2,
    /// 270°.
    ThreeQuarters = 3,
}

impl VideoOrientation {
    /// Reads an element's data: `None` unless it is one byte.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [byte] = data else { return None };
        let rotation = match byte & 3 {
            0 => Rotation::None,
            1 => Rotation::Quarter,
            2 => Rotation::Half,
            _ => Rotation::ThreeQuarters,
        };
        Some(Self { back_camera: byte & 8 != 0, flipped: byte & 4 != 0, rotation })
    }

    /// The element's data.
    pub const fn to_bytes(self) -> [u8; 1] {
        [((self.back_camera as u8) << 3) | ((self.flipped as u8) << 2) | self.rotation as u8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_is_read_and_written_back() {
        for byte in 0..16 {
            assert_eq!(VideoOrientation::parse(&[byte]).unwrap().to_bytes(), [byte]);
        }
        assert_eq!(VideoOrientation::parse(&[]), None);
    }
}
