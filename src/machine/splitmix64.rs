//! Numbers drawn from a seed.

use serde::{Deserialize, Serialize};

/// A source of numbers that are evenly spread and follow from the seed.
///
/// It is `SplitMix64`: five lines, one word of state that snapshots carry, and a sequence that no
/// update of another crate changes, so that a seed replays for ever. It is not fit for secrets.
///
/// ```
/// use coordination_protocol::machine::SplitMix64;
///
/// let (mut one, mut other) = (SplitMix64::new(7), SplitMix64::new(7));
/// assert_eq!(one.below(100), other.below(100));
/// assert_eq!(one.below(0), 0);
/// ```
#[doc(alias = "random")]
#[doc(alias = "rng")]
#[doc(alias = "seed")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        // An odd step: every state comes up once in 2^64 draws, whatever the seed.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        // The constants of the published algorithm. Others would spread as well, but no old seed
        // would replay.
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift instead of a remainder: no division, and the bias is below `bound` in
        // 2^64, too little to matter for pauses.
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// Ten bytes for an identifier.
    pub fn id_bytes(&mut self) -> [u8; 10] {
        // An identifier takes 80 bits. The rest of the second draw is not kept, so that one word is
        // all the state that a snapshot carries.
        let words = [self.next_u64().to_le_bytes(), self.next_u64().to_le_bytes()];
        std::array::from_fn(|at| words[at / 8][at % 8])
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    fn first<const N: usize>(seed: u64) -> [u64; N] {
        let mut rng = SplitMix64::new(seed);
        std::array::from_fn(|_| rng.next_u64())
    }

    /// The figures of the published algorithm.
    #[test]
    fn known_vectors() {
        assert_eq!(
            first(1_234_567),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
        assert_eq!(
            first(0),
            [
                0xE220_A839_7B1D_CDAF,
                0x6E78_9E6A_A1B9_65F4,
                0x06C4_5D18_8009_454F,
                0xF88B_B8A8_724C_81EC,
                0x1B39_896A_51A8_749B,
            ]
        );
    }

    #[test]
    fn bounds() {
        let mut rng = SplitMix64::new(3);
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        let mut seen = [0_u32; 7];
        (0..7_000).for_each(|_| seen[rng.below(7) as usize] += 1);
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        // The largest bound is the draw itself, but for the last number.
        assert_eq!(SplitMix64::new(0).below(u64::MAX), 0xE220_A839_7B1D_CDAF - 1);
    }

    /// An identifier is two draws, the second cut short.
    #[test]
    fn identifiers() {
        let [one, other] = first(9);
        let bytes = SplitMix64::new(9).id_bytes();
        assert_eq!(bytes[..8], one.to_le_bytes());
        assert_eq!(bytes[8..], other.to_le_bytes()[..2]);
    }
}
