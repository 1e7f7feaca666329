//! How languages order words: what stands behind [`VarBstrCmp`](super::VarBstrCmp) where there is
//! a locale.
//!
//! Windows's locale identifiers and flags are translated into what `icu_collator` knows. What has
//! no translation is refused.

use super::{
    NORM_IGNORECASE, NORM_IGNOREKANATYPE, NORM_IGNOREKASHIDA, NORM_IGNORENONSPACE,
    NORM_IGNORESYMBOLS, NORM_IGNOREWIDTH,
};
use core::cmp::Ordering;
use icu_collator::CollatorBorrowed;
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_locale_core::Locale;
use icu_normalizer::DecomposingNormalizerBorrowed;

/// Width and type of kana, by the numbers of the headers, and by those of the function's own page.
const VARIANTS: u32 = NORM_IGNOREKANATYPE | NORM_IGNOREWIDTH | 0x40 | 0x8;

/// The order of two strings, `None` where `lcid` or `flags` cannot be had.
pub(super) fn compare(left: &[u16], right: &[u16], lcid: u32, flags: u32) -> Option<Ordering> {
    let locale = Locale::try_from_str(tag(lcid)?).ok()?;
    let collator = CollatorBorrowed::try_new((&locale).into(), options(flags)?).ok()?;
    if left.is_empty() || right.is_empty() {
        // Nothing comes before something, though it be something that has no weight.
        return Some(left.len().cmp(&right.len()));
    }
    // The collator takes marks that stand for other marks, such as U+0344, for what it never meets, and has
    // an assertion on that.
    let normalizer = const { DecomposingNormalizerBorrowed::new_nfd() };
    let [left, right] = [left, right].map(|units| normalizer.normalize_utf16(units));
    Some(collator.compare_utf16(&left, &right))
}

/// The collation's options for Windows's flags, `None` where there is a flag that is not one.
///
/// Its third level is case, width and type of kana in one. So where any of them is ignored that
/// level is, and case, where it still counts, has a level of its own.
fn options(flags: u32) -> Option<CollatorOptions> {
    const KNOWN: u32 =
        NORM_IGNORECASE | NORM_IGNORENONSPACE | NORM_IGNORESYMBOLS | NORM_IGNOREKASHIDA | VARIANTS;
    if flags & !KNOWN != 0 {
        return None;
    }
    let has = |flag| flags & flag != 0;
    let mut options = CollatorOptions::default();
    if has(NORM_IGNORESYMBOLS) {
        options.alternate_handling = Some(AlternateHandling::Shifted);
        options.max_variable = Some(MaxVariable::Symbol);
    }
    options.strength = Some(if has(NORM_IGNORENONSPACE) {
        Strength::Primary
    } else if has(NORM_IGNORECASE | VARIANTS) {
        Strength::Secondary
    } else if has(NORM_IGNORESYMBOLS) {
        Strength::Tertiary
    } else {
        // What Japanese has its types of kana on, and symbols that are ignored are on.
        Strength::Quaternary
    });
    if has(NORM_IGNORENONSPACE | VARIANTS) && !has(NORM_IGNORECASE) {
        options.case_level = Some(CaseLevel::On);
    }
    Some(options)
}

/// The language of a locale identifier, `None` where Windows has none of that number.
///
/// Bits 0 to 9 are the language, 10 to 15 say where it is spoken or how it is written, and 16 to 19
/// which of its orders is meant. A language without an order of its own has the root's.
fn tag(lcid: u32) -> Option<&'static str> {
    /// By their numbers, sixteen a line. What is no language has a dash.
    const LANGUAGES: &str = "\
        und ar bg ca zh cs da de el en es fi fr he hu is \
        it ja ko nl no pl pt rm ro ru hr sk sq sv th tr \
        ur id uk be sl et lv lt tg fa vi hy az eu hsb mk \
        st ts tn ve xh zu af ka fo hi mt se ga yi ms kk \
        ky sw tk uz tt bn pa gu or ta te kn ml as mr sa \
        mn bo cy km lo my gl kok mni sd syr si chr iu am tzm \
        ks ne fy ps fil dv bin ff ha ibb yo quz nso ba lb kl \
        ig kr om ti gn haw la so ii pap arn - moh - br und \
        ug mi oc co gsw sah quc rw wo - - - fa-AF - - - \
        - gd ku";
    const LANGUAGE: u32 = 0x3FF;
    const REGION: u32 = 0xFFFF;
    match lcid {
        0x0404 | 0x0C04 | 0x1404 | 0x7C04 => Some("zh-Hant"),
        0x0C0C => Some("fr-CA"),
        0x040A => Some("es-u-co-trad"),
        0x1_0407 => Some("de-u-co-phonebk"),
        0x2_0804 | 0x2_1004 => Some("zh-u-co-stroke"),
        0x3_0404 => Some("zh-u-co-zhuyin"),
        // Serbian and Bosnian in Cyrillic.
        0x0C1A | 0x1C1A | 0x201A | 0x281A | 0x301A | 0x641A | 0x6C1A => Some("sr"),
        0x082E | 0x7C2E => Some("dsb"),
        _ if lcid > REGION => None,
        _ => LANGUAGES.split(' ').nth((lcid & LANGUAGE) as usize),
    }
}
