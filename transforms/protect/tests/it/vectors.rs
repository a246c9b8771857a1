//! Published vectors of the stored formats. They were computed by a second, independent
//! implementation; changing one would make stored values unreadable.

use super::*;

use VersionMode::{Pinned, Slack};

/// Method, scope's tenant, key version, plain value, protected text.
type Vector = (MethodSpec, Option<&'static str>, u32, Value, &'static str);

fn check(vectors: Vec<Vector>) {
    for (method, tenant, number, plain, expected) in vectors {
        let keys = keys_at(number);
        let context = Context { tenant, ..context(&keys) };
        let scope = tenant.map_or(Scope::Global, |_| Scope::Tenant("org".to_owned()));
        let method = built(method, scope);
        let protected = protect(&*method, &plain, &context);
        assert_eq!(shown(protected.clone()), Ok(expected.to_owned()));
        if method.is_reversible() {
            assert!(
                reveal(&*method, &protected.unwrap(), &context).unwrap() == plain,
                "{expected}"
            );
        }
    }
}

#[test]
fn format_preserving_values_are_a_stored_format() {
    let card = || Value::text("4929120000006466");
    let iban = |version| fpe(TemplateSpec::Iban, version);
    let german = || Value::text("DE89370400440532013000");
    let long = "Zz".to_owned() + &"a1B2c3D4e5".repeat(6) + "QQ";
    let six_and_four = TemplateSpec::Pan { keep: Keep { first: 6, last: 4 }, min: 17, max: 19 };
    check(vec![
        (pan(Slack), None, 1, card(), "4929129782745945"),
        (pan(Slack), None, 2, card(), "4929126407040281"),
        (pan(Slack), None, 10, card(), "4929127667730958"),
        (pan(Pinned), None, 1, card(), "4929122073790505"),
        (pan(Slack), None, 1, Value::number("4929120000006466"), "4929129782745945"),
        (pan(Slack), Some("acme"), 1, card(), "4929124298725069"),
        (
            fpe(six_and_four, Slack),
            None,
            1,
            Value::text("6304000000000000000"),
            "6304002644704880008",
        ),
        (digits(0, 0, 6, 30), None, 1, Value::text("123456"), "056446"),
        (
            digits(2, 1, 9, 30),
            None,
            1,
            Value::text("123456789012345678901234567890"),
            "120766644700303624110412364810",
        ),
        (alphanumeric(2, 0, 8, 64), None, 1, Value::text("AB12cdEF"), "ABntRRyq"),
        (
            alphanumeric(2, 0, 8, 64),
            None,
            1,
            Value::text(long),
            "ZziVvo8iwrto5rvJxDS5CvMZ7CE0fMlCfRNW1pUEhPQYdZYOuIc2nVke7NxKCCgZ",
        ),
        (
            fpe(TemplateSpec::Phone, Pinned),
            None,
            1,
            Value::text("+4915112345678"),
            "+4976142837997",
        ),
        (iban(Slack), None, 1, german(), "DE24111104378402598579"),
        (iban(Slack), None, 97, german(), "DE82992988116940659101"),
        (
            iban(Slack),
            None,
            2,
            Value::text("FR1420041010050500013M02606"),
            "FR522315141832W4YC0FN4U4283",
        ),
        (iban(Pinned), None, 1, Value::text("CH9300762011623852957"), "CH8400762SF65T8BDBCVZ"),
    ]);
}

#[test]
fn text_of_siv_and_hash_is_a_stored_format() {
    use MethodSpec::{Hash, Siv};
    let name = || Value::text("Zoë Müller");
    let number = || Value::number("42.50");
    check(vec![
        (Siv, None, 1, name(), "aln1.AQFFW7HFDQzk8FaxCF_EIqiQlqyaOxm_KPp5pK5Tqg"),
        (Siv, None, 2, name(), "aln1.AQIjk0pHC30MFQ2pbRxjqoRzxAGxjcDumOSiPZ8m5w"),
        (Siv, None, 1, number(), "aln1.AQF_lzJxgslktdCIXd9ST2KkqKqbHOwf"),
        (Siv, None, 1, Value::Bool(true), "aln1.AQGkqGBxziXBbG2-Cv7iYSbgGPA"),
        (Siv, Some("acme"), 1, name(), "aln1.AQEjLXIoQPHdHahYk39hucD5tio6OcOaCIllOmoT0Q"),
        (Hash, None, 1, name(), "alh1.AQHMiDDhxNUe-G9sKCer3i6UVpMp6eKwcOFl8CjejYag4w"),
        (Hash, None, 2, number(), "alh1.AQKX1hWDfyi8wa5JhZEf-wW7GlpaiUH5d6MfSx9WIE0ZwQ"),
        (Hash, Some("acme"), 1, name(), "alh1.AQEUChDmRJyBHiw9FsQIKdQbArvfXUX1rcyBF0dBJV_bDg"),
    ]);
}
