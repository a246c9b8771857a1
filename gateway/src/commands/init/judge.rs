//! What a field probably is, by its key and by what its values show.

use super::terms;
use super::walk::Seen;
use super::words::{self, says};

/// What a field probably is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The class it gets, if it gets one.
    pub(super) class: Option<&'static str>,
    /// Whether nobody needs to look at it again.
    pub(super) sure: bool,
    /// Why.
    pub(super) reason: &'static str,
}

const fn sure(class: &'static str, reason: &'static str) -> Option<Verdict> {
    Some(Verdict { class: Some(class), sure: true, reason })
}

const fn perhaps(class: &'static str, reason: &'static str) -> Option<Verdict> {
    Some(Verdict { class: Some(class), sure: false, reason })
}

const fn look(reason: &'static str) -> Option<Verdict> {
    Some(Verdict { class: None, sure: false, reason })
}

/// The field with its words.
struct Field<'a> {
    seen: &'a Seen,
    key: Vec<String>,
    parents: Vec<String>,
    other: bool,
}

/// What a field is; `None` for one that says nothing of a person.
pub(super) fn judge(seen: &Seen) -> Option<Verdict> {
    // What lies in arrays only has no name; its values still speak.
    let before = seen.names.split_last().map(|(_, before)| before).unwrap_or_default();
    let key = seen.names.last().map(|last| words::words(last)).unwrap_or_default();
    let parents = before.iter().flat_map(|name| words::words(name)).collect();
    let other = says(&key, terms::NOT_A_PERSON);
    let field = Field { seen, key, parents, other };
    let rules = [
        Field::secret,
        Field::card,
        Field::iban,
        Field::email,
        Field::by_key,
        Field::phone,
        Field::name,
        Field::street,
        Field::free_text,
    ];
    rules.into_iter().find_map(|rule| rule(&field))
}

impl Field<'_> {
    fn says(&self, terms: &[&str]) -> bool {
        says(&self.key, terms)
    }

    fn under(&self, terms: &[&str]) -> bool {
        says(&self.parents, terms)
    }

    fn all(&self, matching: usize) -> bool {
        matching > 0 && matching == self.seen.values()
    }

    /// Methods that give text need text.
    fn text(&self, class: &'static str, reason: &'static str) -> Option<Verdict> {
        if self.seen.numbers > 0 {
            return look(
                "personal by its key, but a number: no method keeps it one without a template; send it as text",
            );
        }
        sure(class, reason)
    }

    fn secret(&self) -> Option<Verdict> {
        if self.says(terms::CARD_CODE) {
            return look(
                "a security code: it may not be stored once a payment is authorized (PCI DSS 3.3.1)",
            );
        }
        if self.says(terms::SECRET) {
            return look(
                "a secret: it should not be readable by anyone, so it is better never stored",
            );
        }
        None
    }

    fn card(&self) -> Option<Verdict> {
        let seen = self.seen;
        let named =
            self.says(terms::CARD) || (self.says(terms::NUMBER) && self.under(terms::CARD_PARENT));
        if self.all(seen.cards) {
            return match (named, self.other) {
                (true, _) => sure("card_number", "key, and the check digit holds"),
                (false, false) => perhaps(
                    "card_number",
                    "the check digit of a card holds, but the key does not say card",
                ),
                (false, true) => {
                    look("the check digit of a card holds, but the key says it is something else")
                }
            };
        }
        if seen.printed_cards > 0
            && self.all(seen.cards + seen.printed_cards)
            && (named || !self.other)
        {
            return perhaps(
                "card_text",
                "a card number with separators: protected as text; without separators its format could be kept",
            );
        }
        if named {
            return look(
                "the key says card number, but the check digit does not hold in the samples",
            );
        }
        None
    }

    fn iban(&self) -> Option<Verdict> {
        let seen = self.seen;
        if self.all(seen.ibans) {
            return sure("iban", "the check digits hold");
        }
        if seen.printed_ibans > 0 && self.all(seen.ibans + seen.printed_ibans) {
            return perhaps(
                "iban_text",
                "an IBAN with separators: protected as text; without separators its format could be kept",
            );
        }
        if self.says(terms::IBAN) {
            return look("the key says IBAN, but the check digits do not hold in the samples");
        }
        None
    }

    fn email(&self) -> Option<Verdict> {
        if self.all(self.seen.emails) {
            return sure("email", "the values have the shape of addresses");
        }
        if self.says(terms::EMAIL) && self.seen.texts > 0 {
            return look("the key says e-mail, but not every value in the samples is an address");
        }
        None
    }

    fn by_key(&self) -> Option<Verdict> {
        if self.says(terms::NATIONAL_ID) {
            return self.text("national_id", "key");
        }
        if self.says(terms::BIRTH_DATE) && !self.under(terms::THING) {
            return self.text("birth_date", "key");
        }
        if self.says(terms::ACCOUNT) {
            return self.text("account_number", "key");
        }
        None
    }

    fn phone(&self) -> Option<Verdict> {
        if self.says(terms::PHONE) {
            return self.text("phone", "key");
        }
        if self.all(self.seen.e164) && !self.other {
            return perhaps(
                "phone",
                "the values have the shape of phone numbers, but the key does not say so",
            );
        }
        None
    }

    fn name(&self) -> Option<Verdict> {
        if self.says(terms::FULL_NAME) {
            return self.text("full_name", "key");
        }
        if !self.says(terms::NAME) || self.seen.texts == 0 {
            return None;
        }
        let of_a_thing = self.says(terms::THING) || self.under(terms::THING);
        let of_a_person = self.says(terms::PERSON) || self.under(terms::PERSON);
        match (of_a_person, of_a_thing) {
            (true, false) => self.text("full_name", "key, under a person"),
            (false, true) => None,
            _ => perhaps("full_name", "a name, but it is not clear whether of a person"),
        }
    }

    fn street(&self) -> Option<Verdict> {
        if self.says(terms::NETWORK) {
            return look("may identify a person or a device");
        }
        if self.says(terms::PLACE_OF_LIVING) {
            return look("may identify a person together with other fields");
        }
        let line = self.says(terms::LINE);
        let under_address = self.under(terms::STREET);
        if (self.says(terms::STREET) && !line) || (line && under_address) {
            return self.text("street", "key");
        }
        None
    }

    fn free_text(&self) -> Option<Verdict> {
        if self.says(terms::FREE_TEXT) && self.seen.texts > 0 {
            return look("free text: what it holds of persons stays as it is");
        }
        None
    }
}
