//! The words of a key.

/// The words of a key: `billingAddress_2` is `billing`, `address`, `2`.
pub(super) fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in key.chars() {
        let starts = (c.is_uppercase() && !before.is_uppercase())
            || (c.is_ascii_digit() != before.is_ascii_digit())
            || !before.is_alphanumeric();
        if c.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if !starts => plain(c, word),
                _ => {
                    let mut word = String::new();
                    plain(c, &mut word);
                    words.push(word);
                }
            }
        }
        before = c;
    }
    words
}

/// Lower case without the accents of the five languages.
fn plain(c: char, word: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'à'..='å' => word.push('a'),
            'ç' => word.push('c'),
            'è'..='ë' => word.push('e'),
            'ì'..='ï' => word.push('i'),
            'ñ' => word.push('n'),
            'ò'..='ö' => word.push('o'),
            'ù'..='ü' => word.push('u'),
            'ß' => word.push_str("ss"),
            _ => word.push(c),
        }
    }
}

/// Whether a key's words hold one of these terms: in order, side by side or run together.
pub(super) fn says(words: &[String], terms: &[&str]) -> bool {
    let joined = words.concat();
    terms.iter().any(|term| {
        let parts: Vec<&str> = term.split(' ').collect();
        joined == parts.concat() || words.windows(parts.len()).any(|window| window == parts)
    })
}

#[cfg(test)]
mod tests {
    use super::super::terms::*;
    use super::*;

    #[test]
    fn keys_fall_into_words() {
        for (key, expected) in [
            ("billingAddress_2", vec!["billing", "address", "2"]),
            ("fullName", vec!["full", "name"]),
            ("FULL_NAME", vec!["full", "name"]),
            ("Straße", vec!["strasse"]),
            ("prénom", vec!["prenom"]),
            ("customer-ID", vec!["customer", "id"]),
            ("__", vec![]),
        ] {
            assert_eq!(words(key), expected, "{key}");
        }
    }

    #[test]
    fn terms_are_whole_words() {
        for (key, terms, expected) in [
            ("fullname", FULL_NAME, true),
            ("customerFullName", FULL_NAME, true),
            ("filename", FULL_NAME, false),
            ("company", CARD, false),
            ("pan", CARD, true),
            ("phoneNumber", PHONE, true),
            ("microphone", PHONE, false),
            ("Geburtsdatum", BIRTH_DATE, true),
            ("fecha_nacimiento", BIRTH_DATE, true),
            ("shipping", NETWORK, false),
        ] {
            assert_eq!(says(&words(key), terms), expected, "{key}");
        }
    }
}
