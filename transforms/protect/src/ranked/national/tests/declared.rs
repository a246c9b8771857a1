use proptest::prelude::*;

use super::super::*;
use super::{format, formats, oracle};

/// A number comes back and looks valid to what knows nothing of ranking; in a slot it comes
/// back and does not.
fn check(id: &str, national: &National, class: usize, number: u128, slots: &[u32]) {
    let text = national.unrank(Rank { class, number, slot: 0 }, "").unwrap();
    assert!(oracle::valid(id, &text), "{id}: {}", *text);
    assert_eq!(national.rank(&text), Ok(Rank { class, number, slot: 0 }), "{id}: {}", *text);
    for slot in slots.iter().copied().filter(|slot| *slot > 0) {
        let moved = Rank { class, number, slot };
        let text = national.unrank(moved, "").unwrap();
        assert!(!oracle::valid(id, &text), "{id}: {} in slot {slot}", *text);
        assert_eq!(national.rank(&text), Ok(moved), "{id}: {}", *text);
    }
}

#[test]
fn every_number_is_valid_and_comes_back() {
    for (id, national) in formats() {
        let classes = national.classes().len();
        for (class, size) in national.classes().iter().map(|class| class.size).enumerate() {
            let slots: Vec<u32> = (0..=national.slots()).collect();
            for number in [0, 1, size / 2, size - 2, size - 1] {
                check(id, national, class, number, &slots);
            }
            let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
                cases: 200 / classes as u32,
                failure_persistence: None,
                ..ProptestConfig::default()
            });
            runner
                .run(&(0..size, 0..=national.slots()), |(number, slot)| {
                    check(id, national, class, number, &[slot]);
                    Ok(())
                })
                .unwrap();
        }
    }
}

#[test]
fn numbers_stand_in_the_order_of_their_bodies() {
    for (id, national) in formats() {
        for (class, form) in national.forms.iter().enumerate() {
            let size = national.classes[class].size;
            let body = |number| -> Vec<u8> {
                let text = national.unrank(Rank { class, number, slot: 0 }, "").unwrap();
                let places = form.picture.bytes().zip(text.bytes());
                places.filter(|(place, _)| *place == b'x').map(|(_, symbol)| symbol).collect()
            };
            for step in 1..100 {
                let number = (size - 1) / 100 * step;
                assert!(body(number) < body(number + 1), "{id} {number}");
            }
        }
    }
}

#[test]
fn declarations_fit_together() {
    for (id, national) in formats() {
        for form in &national.forms {
            let mut body = Vec::new();
            form.bodies.append_word(0, &mut body).unwrap();
            let count = |symbol| form.picture.bytes().filter(|place| *place == symbol).count();
            assert_eq!(count(b'x'), body.len(), "{id}: {}", form.picture);
            assert_eq!(count(b'k'), form.checks.width(), "{id}: {}", form.picture);
            assert!(form.checks.weights_fit(body.len()), "{id}: {}", form.picture);
        }
    }
}

#[test]
fn identifiers_of_many_countries_are_there() {
    let ids = ids();
    assert!(ids.is_sorted() && ids.len() >= 60, "{}", ids.len());
    let countries: std::collections::BTreeSet<&str> = ids.iter().map(|id| &id[..2]).collect();
    assert!(countries.len() >= 40, "{countries:?}");
    for unknown in ["", "us", "US_SSN", "us_ssn ", "xx_id"] {
        assert!(matches!(build(unknown).err(), Some(SpecError::Invalid(_))), "{unknown}");
    }
}

#[test]
fn sizes_are_those_of_the_rules() {
    for (id, expected) in [
        ("us_ssn", 898 * 99 * 9_999),
        ("us_itin", 100 * 44 * 10_000),
        ("us_ein", 83 * 10_000_000),
        ("gb_nino", (20 * 19 - 7) * 1_000_000 * 4),
        ("in_pan", 26u128.pow(5) * 10 * 9_999),
        ("es_dni", 100_000_000),
        ("br_cpf", 1_000_000_000 - 10),
        ("it_partita_iva", 9_999_999 * 104),
        // One digit twice: 10 · 9 choices, 10! / 2! orders; one three times: 10 · 36
        // choices, 10! / 3! orders less 8! with the three side by side. A tenth of each
        // begins with 0.
        ("de_tax_id", (90 * 1_814_400 + 360 * (604_800 - 40_320)) / 10 * 9),
        // A day in each of two centuries at most, with 29 February 2000.
        ("za_id", 36_525 * 10_000 * 3 * 2),
        ("be_national_number", 36_524 * 998),
        ("cn_resident_id", 35 * 10_000 * 109_573 * 1_000),
    ] {
        assert_eq!(format(id).classes()[0].size, expected, "{id}");
    }
}

#[test]
fn sizes_with_check_digits_that_are_not_issued_are_counted_right() {
    let remainder = |body: u32| {
        let weights = [2, 3, 4, 5, 6, 7, 2].into_iter().zip(0..);
        weights.map(|(weight, place)| weight * (body / 10u32.pow(place) % 10)).sum::<u32>() % 11
    };
    let issued = (1_000_000..10_000_000).filter(|body| remainder(*body) != 1).count();
    assert_eq!(format("dk_cvr").classes()[0].size, issued as u128);
}

#[test]
fn the_documentation_lists_every_identifier() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md"));
    let (_, section) = page.split_once("## National identifiers").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let mut found = Vec::new();
    for (id, national) in formats() {
        let classes = national.classes().iter().map(|class| {
            let (form, kind) = class.name[5..].split_once(", ").unwrap_or((&class.name[5..], ""));
            let form =
                if kind.is_empty() { format!("`{form}`") } else { format!("`{form}` ({kind})") };
            (form, class.size)
        });
        for (form, size) in classes {
            let row = rows
                .iter()
                .find(|row| row.starts_with(&format!("| `{id}` |")) && row.contains(&form))
                .unwrap_or_else(|| panic!("no row of {id} for {form}"));
            let end = format!("| {size} | {} |", national.slots());
            assert!(row.ends_with(&end), "{id}: the row should end with {end}");
            found.push(*row);
        }
    }
    for row in rows {
        assert!(found.contains(&row), "no identifier has this row: {row}");
    }
}
