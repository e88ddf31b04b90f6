//! Numbers as Godot's text form writes them, digit by digit.
//!
//! Godot finds the digits with Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with
//! Integers"), which always reads back as the same number and is the shortest such text in all but about 0.2 % of the
//! cases. The same algorithm is used here, since only it gives the same text in the rest.

use alloc::string::String;
use core::fmt::Write;

/// Writes a `float` as a value by itself: with a fraction or an exponent, so that it does not read back as an `int`.
pub(super) fn write_float(out: &mut String, value: f64) {
    let start = out.len();
    write_component(out, value);
    let text = out.get(start..).unwrap_or_default();
    if value.is_finite() && !text.contains(['.', 'e']) {
        out.push_str(".0");
    }
}

/// Writes a double as a part of a value. One that is exactly a single is written with the digits of a single.
#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the question is whether the cast is exact"
)]
pub(super) fn write_component(out: &mut String, value: f64) {
    let single = value as f32;
    if f64::from(single) == value {
        write_single(out, single);
    } else if !write_special(out, value) {
        let bits = value.to_bits();
        let digits = shortest(bits & ((1 << 52) - 1), bits >> 52 & 0x7ff, 52);
        write_digits(out, value < 0.0, &digits);
    }
}

/// Writes a single as a part of a value.
pub(super) fn write_single(out: &mut String, value: f32) {
    if !write_special(out, f64::from(value)) {
        let bits = u64::from(value.to_bits());
        let digits = shortest(bits & ((1 << 23) - 1), bits >> 23 & 0xff, 23);
        write_digits(out, value < 0.0, &digits);
    }
}

/// Writes zero and what has no digits.
fn write_special(out: &mut String, value: f64) -> bool {
    out.push_str(if value.is_nan() {
        "nan"
    } else if value == f64::INFINITY {
        "inf"
    } else if value == f64::NEG_INFINITY {
        "inf_neg"
    } else if value == 0.0 {
        "0"
    } else {
        return false;
    });
    true
}

/// Decimal digits and the power of ten of the last one.
struct Digits {
    digits: [u8; 20],
    count: usize,
    exponent: i32,
}

impl Digits {
    fn as_str(&self) -> &str {
        let digits = self.digits.get(..self.count).unwrap_or_default();
        core::str::from_utf8(digits).unwrap_or_default()
    }

    fn push(&mut self, digit: u64) {
        if let Some(slot) = self.digits.get_mut(self.count) {
            *slot = b'0'.wrapping_add(u8::try_from(digit).unwrap_or(0));
            self.count += 1;
        }
    }

    /// Makes the last digit one less while that comes nearer to the number and stays among those that read back as it.
    /// All lengths are in units of the scaled number: how far the written digits are from the upper bound (`rest`), how
    /// far the number is (`distance`), how far the lower bound is (`delta`), and one unit of the last digit.
    fn round(&mut self, distance: u64, delta: u64, mut rest: u64, unit: u64) {
        while rest < distance
            && delta - rest >= unit
            && (rest.saturating_add(unit) < distance
                || distance - rest > rest.saturating_add(unit).saturating_sub(distance))
        {
            if let Some(last) = self
                .count
                .checked_sub(1)
                .and_then(|at| self.digits.get_mut(at))
            {
                *last = last.wrapping_sub(1);
            }
            rest = rest.saturating_add(unit);
        }
    }
}

/// Positional up to 15 digits before and 4 zeros behind the point, else scientific.
fn write_digits(out: &mut String, negative: bool, digits: &Digits) {
    if negative {
        out.push('-');
    }
    let text = digits.as_str();
    let count = i32::try_from(text.len()).unwrap_or(0);
    let point = count + digits.exponent;
    let (head, tail) = text.split_at_checked(1).unwrap_or((text, ""));
    if count <= point && point <= 15 {
        out.push_str(text);
        out.extend((count..point).map(|_| '0'));
    } else if 0 < point && point <= 15 {
        let at = usize::try_from(point).unwrap_or(0);
        let (whole, fraction) = text.split_at_checked(at).unwrap_or((text, ""));
        out.extend([whole, ".", fraction]);
    } else if -4 < point && point <= 0 {
        out.push_str("0.");
        out.extend((point..0).map(|_| '0'));
        out.push_str(text);
    } else {
        out.push_str(head);
        if !tail.is_empty() {
            out.extend([".", tail]);
        }
        let exponent = point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        // A write to a `String` cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

/// A number `fraction * 2^exponent`, with the highest bit of the fraction set where the algorithm wants it.
#[derive(Clone, Copy)]
struct Scaled {
    fraction: u64,
    exponent: i32,
}

impl Scaled {
    const fn normal(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Self {
            fraction: self.fraction << shift,
            exponent: self.exponent - shift.cast_signed(),
        }
    }

    /// The upper half of the product, rounded.
    const fn times(self, other: Self) -> Self {
        let product = self.fraction as u128 * other.fraction as u128;
        Self {
            fraction: ((product + (1 << 63)) >> 64) as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

/// Digits of a positive finite number with `precision` stored bits of fraction.
fn shortest(stored: u64, biased: u64, precision: u32) -> Digits {
    let bias = if precision == 52 { 1075 } else { 150 };
    let hidden = 1 << precision;
    let biased = i32::try_from(biased).unwrap_or(0);
    let number = if biased == 0 {
        Scaled {
            fraction: stored,
            exponent: 1 - bias,
        }
    } else {
        Scaled {
            fraction: stored | hidden,
            exponent: biased - bias,
        }
    };
    let upper = Scaled {
        fraction: 2 * number.fraction + 1,
        exponent: number.exponent - 1,
    }
    .normal();
    // Below a power of two the neighbour is half as far.
    let lower = if stored == 0 && biased > 1 {
        Scaled {
            fraction: 4 * number.fraction - 1,
            exponent: number.exponent - 2,
        }
    } else {
        Scaled {
            fraction: 2 * number.fraction - 1,
            exponent: number.exponent - 1,
        }
    };
    let lower = lower.fraction << (lower.exponent - upper.exponent).unsigned_abs();
    let (power, decimal) = cached_power(upper.exponent);
    let number = number.normal().times(power);
    let lower = Scaled {
        fraction: lower,
        exponent: upper.exponent,
    }
    .times(power);
    let upper = upper.times(power);
    let mut digits = Digits {
        digits: [0; 20],
        count: 0,
        exponent: -decimal,
    };
    // The bounds shrink by one unit each, for the error of the product.
    generate(
        &mut digits,
        lower.fraction + 1,
        number.fraction,
        upper.fraction - 1,
        upper.exponent.unsigned_abs(),
    );
    digits
}

/// Writes digits of `upper` until they stand for a number above `lower`. Fractions have `shift` bits behind the point.
fn generate(digits: &mut Digits, lower: u64, number: u64, upper: u64, shift: u32) {
    let one = 1u64 << shift;
    let mut delta = upper - lower;
    let mut distance = upper - number;
    let mut whole = upper >> shift;
    let mut fraction = upper & (one - 1);
    let mut left = whole.checked_ilog10().map_or(0, |log| log + 1);
    while left > 0 {
        left -= 1;
        let power = 10u64.pow(left);
        digits.push(whole / power);
        whole %= power;
        let rest = (whole << shift) + fraction;
        if rest <= delta {
            digits.exponent += left.cast_signed();
            digits.round(distance, delta, rest, power << shift);
            return;
        }
    }
    loop {
        fraction = fraction.wrapping_mul(10);
        digits.push(fraction >> shift);
        fraction &= one - 1;
        digits.exponent -= 1;
        delta = delta.wrapping_mul(10);
        distance = distance.wrapping_mul(10);
        if fraction <= delta {
            digits.round(distance, delta, fraction, one);
            return;
        }
    }
}

/// A power of ten, and its exponent, that brings a number of this binary exponent to one between -60 and -32.
fn cached_power(exponent: i32) -> (Scaled, i32) {
    let wanted = -60 - exponent - 1;
    let decimal = wanted * 78_913 / (1 << 18) + i32::from(wanted > 0);
    let index = (300 + decimal + 7) / 8;
    let decimal = index * 8 - 300;
    let fraction = usize::try_from(index)
        .ok()
        .and_then(|index| POWERS.get(index).copied())
        .unwrap_or(1 << 63);
    let exponent = ((decimal * 1_741_647) >> 19) - 63;
    (Scaled { fraction, exponent }, decimal)
}

/// Upper 64 bits of 10^-300, 10^-292 … 10^324, rounded.
const POWERS: [u64; 79] = [
    0xab70_fe17_c79a_c6ca,
    0xff77_b1fc_bebc_dc4f,
    0xbe56_91ef_416b_d60c,
    0x8dd0_1fad_907f_fc3c,
    0xd351_5c28_3155_9a83,
    0x9d71_ac8f_ada6_c9b5,
    0xea9c_2277_23ee_8bcb,
    0xaecc_4991_4078_536d,
    0x823c_1279_5db6_ce57,
    0xc210_9436_4dfb_5637,
    0x9096_ea6f_3848_984f,
    0xd774_85cb_2582_3ac7,
    0xa086_cfcd_97bf_97f4,
    0xef34_0a98_172a_ace5,
    0xb238_67fb_2a35_b28e,
    0x84c8_d4df_d2c6_3f3b,
    0xc5dd_4427_1ad3_cdba,
    0x936b_9fce_bb25_c996,
    0xdbac_6c24_7d62_a584,
    0xa3ab_6658_0d5f_daf6,
    0xf3e2_f893_dec3_f126,
    0xb5b5_ada8_aaff_80b8,
    0x8762_5f05_6c7c_4a8b,
    0xc9bc_ff60_34c1_3053,
    0x964e_858c_91ba_2655,
    0xdff9_7724_7029_7ebd,
    0xa6df_bd9f_b8e5_b88f,
    0xf8a9_5fcf_8874_7d94,
    0xb944_7093_8fa8_9bcf,
    0x8a08_f0f8_bf0f_156b,
    0xcdb0_2555_6531_31b6,
    0x993f_e2c6_d07b_7fac,
    0xe45c_10c4_2a2b_3b06,
    0xaa24_2499_6973_92d3,
    0xfd87_b5f2_8300_ca0e,
    0xbce5_0864_9211_1aeb,
    0x8cbc_cc09_6f50_88cc,
    0xd1b7_1758_e219_652c,
    0x9c40_0000_0000_0000,
    0xe8d4_a510_0000_0000,
    0xad78_ebc5_ac62_0000,
    0x813f_3978_f894_0984,
    0xc097_ce7b_c907_15b3,
    0x8f7e_32ce_7bea_5c70,
    0xd5d2_38a4_abe9_8068,
    0x9f4f_2726_179a_2245,
    0xed63_a231_d4c4_fb27,
    0xb0de_6538_8cc8_ada8,
    0x83c7_088e_1aab_65db,
    0xc45d_1df9_4271_1d9a,
    0x924d_692c_a61b_e758,
    0xda01_ee64_1a70_8dea,
    0xa26d_a399_9aef_774a,
    0xf209_787b_b47d_6b85,
    0xb454_e4a1_79dd_1877,
    0x865b_8692_5b9b_c5c2,
    0xc835_53c5_c896_5d3d,
    0x952a_b45c_fa97_a0b3,
    0xde46_9fbd_99a0_5fe3,
    0xa59b_c234_db39_8c25,
    0xf6c6_9a72_a398_9f5c,
    0xb7dc_bf53_54e9_bece,
    0x88fc_f317_f222_41e2,
    0xcc20_ce9b_d35c_78a5,
    0x9816_5af3_7b21_53df,
    0xe2a0_b5dc_971f_303a,
    0xa8d9_d153_5ce3_b396,
    0xfb9b_7cd9_a4a7_443c,
    0xbb76_4c4c_a7a4_4410,
    0x8bab_8eef_b640_9c1a,
    0xd01f_ef10_a657_842c,
    0x9b10_a4e5_e991_3129,
    0xe710_9bfb_a19c_0c9d,
    0xac28_20d9_623b_f429,
    0x8044_4b5e_7aa7_cf85,
    0xbf21_e440_03ac_dd2d,
    0x8e67_9c2f_5e44_ff8f,
    0xd433_179d_9c8c_b841,
    0x9e19_db92_b4e3_1ba9,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_exponent_read_back() {
        let mut out = String::new();
        let mut mantissa = 0x9e37_79b9_7f4a_7c15u64;
        for exponent in 0..0x7ffu64 {
            mantissa = mantissa.rotate_left(7).wrapping_mul(5);
            for fraction in [0, 1, 2, mantissa >> 12, (1 << 52) - 1, 1 << 51] {
                let double = f64::from_bits(exponent << 52 | fraction);
                out.clear();
                write_component(&mut out, double);
                let read: f64 = out.parse().unwrap();
                let short = fraction.trailing_zeros() >= 29;
                assert!(short || read.to_bits() == double.to_bits(), "{out}");
            }
        }
        for high in 0..0x7f80u32 {
            for low in [0, 1, 0x1234, 0xffff] {
                let single = f32::from_bits(high << 16 | low);
                out.clear();
                write_single(&mut out, single);
                assert_eq!(out.parse(), Ok(single));
            }
        }
    }
}
