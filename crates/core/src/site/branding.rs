//! From a shop's one color to the accent tokens of both themes.
//!
//! The shop's hue and chroma are kept; only the lightness moves, in OKLCH, and no further than contrast asks for
//! (WCAG 2.2, 1.4.3 and 1.4.11). The neutral tokens do not depend on the shop and live in the widget.

use std::fmt;

/// The surfaces that accents are seen on, and the text color, of one theme.
struct Neutrals {
    surface: Color,
    surface_2: Color,
    text: Color,
    /// How much lightness changes per step toward more contrast.
    step: f64,
}

const LIGHT: Neutrals =
    Neutrals { surface: Color(0xFF, 0xFF, 0xFF), surface_2: Color(0xF3, 0xF4, 0xF6), text: INK, step: -0.01 };
const DARK: Neutrals = Neutrals {
    surface: Color(0x17, 0x19, 0x1C),
    surface_2: Color(0x22, 0x25, 0x29),
    text: Color(0xEC, 0xEE, 0xF1),
    step: 0.01,
};
const WHITE: Color = Color(0xFF, 0xFF, 0xFF);
const INK: Color = Color(0x15, 0x18, 0x1C);

/// What a shape needs against its surroundings (WCAG 2.2, 1.4.11).
const SHAPE_CONTRAST: f64 = 3.0;
/// What text needs (WCAG 2.2, 1.4.3).
const TEXT_CONTRAST: f64 = 4.5;
/// Below this chroma a color reads as gray: it carries no hue worth keeping.
const GRAY_CHROMA: f64 = 0.03;
/// A fill that would have to get darker than this many steps is another color: yellow would be brown.
const MAX_FILL_STEPS: u32 = 12;
/// The whole range of lightness.
const ALL_STEPS: u32 = 100;

/// An opaque sRGB color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(u8, u8, u8);

impl Color {
    /// Parses `#rgb` or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let byte = |range: std::ops::Range<usize>| u8::from_str_radix(digits.get(range)?, 16).ok();
        match digits.len() {
            3 => Some(Self(byte(0..1)? * 17, byte(1..2)? * 17, byte(2..3)? * 17)),
            6 => Some(Self(byte(0..2)?, byte(2..4)?, byte(4..6)?)),
            _ => None,
        }
    }

    /// The contrast ratio of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.to_linear();
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn to_linear(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// `None` outside sRGB.
    fn from_linear(linear: [f64; 3]) -> Option<Self> {
        // Rounding noise of the conversion there and back must not push a corner of the cube out of it.
        const TOLERANCE: f64 = 1e-4;
        let is_inside = linear.iter().all(|value| (-TOLERANCE..=1.0 + TOLERANCE).contains(value));
        is_inside.then(|| {
            let [red, green, blue] = linear.map(|value| {
                let value = value.clamp(0.0, 1.0);
                let encoded =
                    if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped to 0..=255"
                )]
                let byte = (encoded * 255.0).round() as u8;
                byte
            });
            Self(red, green, blue)
        })
    }
}

impl fmt::Display for Color {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

/// The accent of both themes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub light: AccentTokens,
    pub dark: AccentTokens,
}

/// The accent of one theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccentTokens {
    /// Fills: launcher, send.
    pub accent: Color,
    /// Icons on the fill.
    pub on_accent: Color,
    /// Links, arrows, the caret, unread marks, the focus ring.
    pub accent_text: Color,
    /// The fill is too pale to stand out by itself and gets a line around its inside.
    pub has_inner_ring: bool,
}

impl Theme {
    /// The accent where a shop sets none.
    pub const DEFAULT_COLOR: Color = Color(0x0F, 0x5C, 0x5C);

    /// The accents that keep the shop's color readable in both themes.
    pub fn from_color(color: Color) -> Self {
        let shop = Oklch::from_color(color);
        let (light, has_inner_ring) = match shop.reach(color, &LIGHT, MAX_FILL_STEPS, is_visible) {
            Some(fill) => (fill, false),
            None => (color, true),
        };
        let dark = if shop.is_gray() && !is_visible(color, &DARK) {
            DARK.text
        } else {
            shop.reach(color, &DARK, ALL_STEPS, is_visible).unwrap_or(DARK.text)
        };
        Self {
            light: AccentTokens::new(&shop, color, light, has_inner_ring, &LIGHT),
            dark: AccentTokens::new(&shop, color, dark, false, &DARK),
        }
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::from_color(Self::DEFAULT_COLOR)
    }
}

impl AccentTokens {
    fn new(shop: &Oklch, color: Color, accent: Color, has_inner_ring: bool, neutrals: &Neutrals) -> Self {
        let accent_text = if shop.is_gray() {
            neutrals.text
        } else {
            shop.reach(color, neutrals, ALL_STEPS, is_readable).unwrap_or(neutrals.text)
        };
        let on_accent = if WHITE.contrast(accent) >= SHAPE_CONTRAST { WHITE } else { INK };
        Self { accent, on_accent, accent_text, has_inner_ring }
    }
}

fn is_visible(color: Color, on: &Neutrals) -> bool {
    color.contrast(on.surface) >= SHAPE_CONTRAST
}

fn is_readable(color: Color, on: &Neutrals) -> bool {
    color.contrast(on.surface) >= TEXT_CONTRAST && color.contrast(on.surface_2) >= TEXT_CONTRAST
}

/// A color by lightness, chroma and hue as people see them (Björn Ottosson's Oklab; CSS Color 4 §9).
struct Oklch {
    lightness: f64,
    chroma: f64,
    /// Cosine and sine of the hue.
    hue: (f64, f64),
}

impl Oklch {
    fn from_color(color: Color) -> Self {
        let [red, green, blue] = color.to_linear();
        let l = (0.412_221_470_8 * red + 0.536_332_536_3 * green + 0.051_445_992_9 * blue).cbrt();
        let m = (0.211_903_498_2 * red + 0.680_699_545_1 * green + 0.107_396_956_6 * blue).cbrt();
        let s = (0.088_302_461_9 * red + 0.281_718_837_6 * green + 0.629_978_700_5 * blue).cbrt();
        let lightness = 0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s;
        let a = 1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s;
        let b = 0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s;
        let chroma = a.hypot(b);
        let hue = if chroma > 0.0 { (a / chroma, b / chroma) } else { (1.0, 0.0) };
        Self { lightness, chroma, hue }
    }

    fn is_gray(&self) -> bool {
        self.chroma < GRAY_CHROMA
    }

    /// `color` itself if it passes, else the first lightness within `steps` that does.
    fn reach(
        &self,
        color: Color,
        neutrals: &Neutrals,
        steps: u32,
        passes: fn(Color, &Neutrals) -> bool,
    ) -> Option<Color> {
        let moved = (1..=steps)
            .map(|step| self.lightness + neutrals.step * f64::from(step))
            .take_while(|lightness| (0.0..=1.0).contains(lightness))
            .map(|lightness| self.at_lightness(lightness));
        std::iter::once(color).chain(moved).find(|&candidate| passes(candidate, neutrals))
    }

    /// This hue at another lightness, with as much of its chroma as sRGB can show there.
    fn at_lightness(&self, lightness: f64) -> Color {
        /// Halvings of the chroma's range: 2⁻²⁰ is far below one step of a channel.
        const HALVINGS: u32 = 20;
        if let Some(color) = self.to_color(lightness, self.chroma) {
            return color;
        }
        let gray = if lightness > 0.5 { WHITE } else { Color(0, 0, 0) };
        let (mut best, mut low, mut high) = (gray, 0.0, self.chroma);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if let Some(color) = self.to_color(lightness, middle) {
                (best, low) = (color, middle);
            } else {
                high = middle;
            }
        }
        best
    }

    fn to_color(&self, lightness: f64, chroma: f64) -> Option<Color> {
        let (a, b) = (chroma * self.hue.0, chroma * self.hue.1);
        let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        Color::from_linear([
            4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
            -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
            -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
        ])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn color(text: &str) -> Color {
        Color::parse(text).unwrap()
    }

    fn words(tokens: AccentTokens) -> [String; 3] {
        [tokens.accent, tokens.on_accent, tokens.accent_text].map(|color| color.to_string())
    }

    #[test]
    fn a_color_is_three_or_six_hex_digits() {
        assert_eq!(color("#0f5c5c").to_string(), "#0F5C5C");
        assert_eq!(color("#fa0"), color("#FFAA00"));
        for wrong in
            ["", "#", "0f5c5c", "#0f5c5", "#0f5c5c5c", "#ggg", "#+1+2+3", "teal", "#é0f", "rgb(1,2,3)"]
        {
            assert_eq!(Color::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn contrast_is_the_ratio_of_wcag() {
        assert!((color("#fff").contrast(color("#000")) - 21.0).abs() < 1e-9);
        assert!((color("#59616B").contrast(color("#FFFFFF")) - 6.27).abs() < 0.005);
    }

    #[test]
    fn the_default_accent_is_teal() {
        assert_eq!(words(Theme::default().light), ["#0F5C5C", "#FFFFFF", "#0F5C5C"]);
        assert_eq!(words(Theme::default().dark), ["#2A7070", "#FFFFFF", "#539797"]);
    }

    #[test]
    fn coral_gets_darker_in_light_and_stays_in_dark() {
        let theme = Theme::from_color(color("#FF7A63"));
        assert_eq!(words(theme.light), ["#ED6A54", "#FFFFFF", "#C34330"]);
        assert_eq!(words(theme.dark), ["#FF7A63", "#15181C", "#FF7A63"]);
        assert!(!theme.light.has_inner_ring && !theme.dark.has_inner_ring);
    }

    #[test]
    fn shop_colors_reach_the_ratios_of_the_specification() {
        // fill : surface, icon : fill, link : surface; light, then dark. A ring stands in for the first ratio.
        for (given, light, dark) in [
            ("#8BC34A", [3.04, 3.04, 4.98], [8.39, 8.48, 8.39]),
            ("#6B4EFF", [5.05, 5.05, 5.05], [3.49, 5.05, 5.27]),
            ("#1B2A6B", [13.21, 13.21, 13.21], [3.08, 5.72, 5.27]),
            ("#F7C8D0", [0.0, 11.98, 5.11], [11.85, 11.98, 11.85]),
        ] {
            let theme = Theme::from_color(color(given));
            for (tokens, neutrals, ratios) in [(theme.light, &LIGHT, light), (theme.dark, &DARK, dark)] {
                let found = [
                    if tokens.has_inner_ring { 0.0 } else { tokens.accent.contrast(neutrals.surface) },
                    tokens.on_accent.contrast(tokens.accent),
                    tokens.accent_text.contrast(neutrals.surface),
                ];
                // One step of one channel moves a ratio by a few hundredths.
                let is_near = found.iter().zip(ratios).all(|(found, ratio)| (found - ratio).abs() < 0.05);
                assert!(is_near, "{given}: {found:?}, not {ratios:?}");
            }
        }
    }

    #[test]
    fn a_pale_color_is_kept_and_ringed_in_light() {
        let theme = Theme::from_color(color("#FFD500"));
        assert_eq!(theme.light.accent, color("#FFD500"));
        assert!(theme.light.has_inner_ring);
        assert_eq!(theme.light.on_accent, INK);
        assert_eq!(theme.dark.accent, color("#FFD500"));
    }

    #[test]
    fn a_gray_that_fails_becomes_the_text_color() {
        let theme = Theme::from_color(color("#111111"));
        assert_eq!(words(theme.light), ["#111111", "#FFFFFF", "#15181C"]);
        assert_eq!(words(theme.dark), ["#ECEEF1", "#15181C", "#ECEEF1"]);
    }

    proptest! {
        #[test]
        fn every_color_can_be_seen_and_read(red: u8, green: u8, blue: u8) {
            let theme = Theme::from_color(Color(red, green, blue));
            for (tokens, neutrals) in [(theme.light, &LIGHT), (theme.dark, &DARK)] {
                prop_assert!(tokens.has_inner_ring || is_visible(tokens.accent, neutrals), "{tokens:?}");
                prop_assert!(tokens.on_accent.contrast(tokens.accent) >= SHAPE_CONTRAST, "{tokens:?}");
                prop_assert!(is_readable(tokens.accent_text, neutrals), "{tokens:?}");
            }
        }
    }
}
