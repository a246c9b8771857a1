//! The record of a customer that the comparisons send: 1,024 bytes of JSON.

/// What must not be found on the protected side.
pub(crate) const CARD: &str = "4929120000006466";
/// A second value for format-preserving encryption.
pub(crate) const IBAN: &str = "DE89370400440532013000";
/// A value for deterministic encryption to text.
pub(crate) const NAME: &str = "Zo\u{eb} \u{c5}ngstr\u{f6}m-Lindqvist";
/// Stored plain, masked on the way out.
pub(crate) const BIRTH_DATE: &str = "1984-02-29";
/// A value for a vaulted token.
pub(crate) const EMAIL: &str = "zoe.angstrom.00000000@mail.example";
/// The selectors of the four fields (two `fpe`, one `siv`, one `mask`).
pub(crate) const FIELDS: [&str; 4] = ["$.card.number", "$.iban", "$.full_name", "$.birth_date"];

/// The size of the record, in bytes.
const SIZE: usize = 1024;

/// The record.
pub(crate) fn customer() -> String {
    let head = format!(
        concat!(
            r#"{{"id":"cus_000001","full_name":"{}","birth_date":"{}","email":"{}","#,
            r#""card":{{"brand":"visa","number":"{}","expires":"2029-05"}},"iban":"{}","#,
            r#""address":{{"street":"Kungsgatan 12","city":"Stockholm","postcode":"111 35","country":"SE"}},"#,
            r#""preferences":{{"newsletter":false,"language":"sv","currency":"SEK","limits":[100,250.5,1e3]}},"#,
            r#""orders":[{{"id":"ord_1","total":129.90,"paid":true}},{{"id":"ord_2","total":15.00,"paid":false}},"#,
            r#"{{"id":"ord_3","total":7.25,"paid":true}}],"notes":""#
        ),
        NAME, BIRTH_DATE, EMAIL, CARD, IBAN
    );
    let sentence = "Prefers to be called in the morning; delivery to the back door. ";
    let room = SIZE - head.len() - 2;
    let notes: String = sentence.chars().cycle().take(room).collect();
    format!("{head}{notes}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_has_its_size_and_its_fields() {
        let text = customer();
        assert_eq!(text.len(), SIZE);
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (pointer, value) in [
            ("/card/number", CARD),
            ("/iban", IBAN),
            ("/full_name", NAME),
            ("/birth_date", BIRTH_DATE),
            ("/email", EMAIL),
        ] {
            assert_eq!(record.pointer(pointer).and_then(|v| v.as_str()), Some(value));
        }
        // It stands in single quotes in a configuration of nginx.
        assert!(!text.contains(['\'', '$', '\\']));
    }
}
