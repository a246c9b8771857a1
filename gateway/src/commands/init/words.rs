//! What a key says about its value: words of five languages, without accents.

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

pub(super) const CARD: &[&str] = &[
    "card number",
    "card no",
    "card num",
    "cc number",
    "credit card",
    "debit card",
    "pan",
    "primary account number",
    "kartennummer",
    "kreditkarte",
    "kreditkartennummer",
    "numero carte",
    "carte bancaire",
    "numero tarjeta",
    "tarjeta credito",
    "numero cartao",
    "cartao credito",
];
/// Parents under which `number` is a card number.
pub(super) const CARD_PARENT: &[&str] = &[
    "card",
    "credit card",
    "debit card",
    "payment card",
    "karte",
    "kreditkarte",
    "carte",
    "tarjeta",
    "cartao",
];
pub(super) const NUMBER: &[&str] = &["number", "no", "num", "nummer", "numero", "pan"];
pub(super) const CARD_CODE: &[&str] = &[
    "cvv",
    "cvc",
    "cvv2",
    "cvc2",
    "cid",
    "csc",
    "security code",
    "card code",
    "pruefziffer",
    "pin",
    "pin code",
];
pub(super) const IBAN: &[&str] = &["iban"];
pub(super) const ACCOUNT: &[&str] = &[
    "account number",
    "bank account",
    "kontonummer",
    "numero compte",
    "numero cuenta",
    "numero conta",
];
pub(super) const EMAIL: &[&str] = &[
    "email",
    "e mail",
    "mail address",
    "email address",
    "courriel",
    "correo",
    "correo electronico",
    "emailadresse",
];
pub(super) const PHONE: &[&str] = &[
    "phone",
    "phone number",
    "telephone",
    "mobile",
    "mobile number",
    "cell",
    "cell phone",
    "msisdn",
    "fax",
    "tel",
    "telefon",
    "telefonnummer",
    "handy",
    "handynummer",
    "mobil",
    "mobilnummer",
    "rufnummer",
    "telefono",
    "movil",
    "celular",
    "telefone",
    "portable",
    "numero telephone",
];
pub(super) const FULL_NAME: &[&str] = &[
    "full name",
    "first name",
    "last name",
    "given name",
    "family name",
    "middle name",
    "surname",
    "forename",
    "maiden name",
    "holder name",
    "card holder",
    "cardholder name",
    "account holder",
    "person name",
    "customer name",
    "contact name",
    "recipient name",
    "vorname",
    "nachname",
    "familienname",
    "vollstandiger name",
    "geburtsname",
    "karteninhaber",
    "kontoinhaber",
    "prenom",
    "nom famille",
    "nom complet",
    "nom naissance",
    "titulaire",
    "nombre completo",
    "apellido",
    "apellidos",
    "primer apellido",
    "segundo apellido",
    "titular",
    "nome completo",
    "sobrenome",
];
/// A name of something; of a person under the right parent.
pub(super) const NAME: &[&str] = &["name", "nom", "nombre", "nome", "holder", "inhaber"];
pub(super) const PERSON: &[&str] = &[
    "customer",
    "customers",
    "user",
    "users",
    "person",
    "persons",
    "people",
    "contact",
    "contacts",
    "recipient",
    "sender",
    "holder",
    "owner",
    "patient",
    "patients",
    "employee",
    "employees",
    "member",
    "members",
    "buyer",
    "passenger",
    "passengers",
    "beneficiary",
    "debtor",
    "creditor",
    "cardholder",
    "client",
    "clients",
    "applicant",
    "subscriber",
    "kunde",
    "kunden",
    "empfanger",
    "mitarbeiter",
    "patienten",
    "cliente",
    "clientes",
    "usuario",
    "persona",
    "pessoa",
    "utilisateur",
    "personne",
    "destinataire",
];
/// Parents whose names are not those of persons.
pub(super) const THING: &[&str] = &[
    "product",
    "products",
    "item",
    "items",
    "plan",
    "plans",
    "file",
    "files",
    "company",
    "organization",
    "organisation",
    "merchant",
    "service",
    "event",
    "city",
    "country",
    "region",
    "state",
    "category",
    "tag",
    "tags",
    "brand",
    "device",
    "app",
    "application",
    "feature",
    "role",
    "group",
    "team",
    "project",
    "produkt",
    "artikel",
    "firma",
    "produit",
    "producto",
    "produto",
    "empresa",
    "entreprise",
];
pub(super) const NATIONAL_ID: &[&str] = &[
    "ssn",
    "social security",
    "social security number",
    "national id",
    "national id number",
    "national identifier",
    "national insurance number",
    "nino",
    "tax id",
    "tax number",
    "tin",
    "itin",
    "passport",
    "passport number",
    "passport no",
    "identity number",
    "id card",
    "id card number",
    "driver license",
    "driving licence",
    "drivers license",
    "license number",
    "steuer id",
    "steuernummer",
    "steueridentifikationsnummer",
    "sozialversicherungsnummer",
    "ausweisnummer",
    "personalausweis",
    "reisepass",
    "reisepassnummer",
    "nir",
    "numero securite sociale",
    "numero passeport",
    "dni",
    "nie",
    "nif",
    "pasaporte",
    "cpf",
    "rg",
    "curp",
    "rfc",
    "codice fiscale",
    "bsn",
    "pesel",
    "personnummer",
    "aadhaar",
    "ahv nummer",
];
pub(super) const BIRTH_DATE: &[&str] = &[
    "birth date",
    "date of birth",
    "dob",
    "birthday",
    "born",
    "birth",
    "geburtsdatum",
    "geburtstag",
    "date naissance",
    "date de naissance",
    "fecha nacimiento",
    "fecha de nacimiento",
    "data nascimento",
    "data de nascimento",
];
pub(super) const STREET: &[&str] = &[
    "street",
    "street address",
    "street name",
    "address",
    "address line",
    "address 1",
    "address 2",
    "addr",
    "line 1",
    "line 2",
    "postal address",
    "strasse",
    "anschrift",
    "adresse",
    "hausnummer",
    "rue",
    "voie",
    "calle",
    "direccion",
    "domicilio",
    "rua",
    "endereco",
    "logradouro",
];
/// Parents under which `line1` is part of an address.
pub(super) const LINE: &[&str] = &["line", "line 1", "line 2"];
pub(super) const FREE_TEXT: &[&str] = &[
    "note",
    "notes",
    "comment",
    "comments",
    "remark",
    "remarks",
    "message",
    "description",
    "memo",
    "subject",
    "text",
    "bemerkung",
    "bemerkungen",
    "notiz",
    "notizen",
    "kommentar",
    "nachricht",
    "beschreibung",
    "remarque",
    "commentaire",
    "nota",
    "notas",
    "comentario",
    "comentarios",
    "mensaje",
    "mensagem",
    "descripcion",
    "descricao",
];
pub(super) const SECRET: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "api key",
    "access token",
    "refresh token",
    "client secret",
    "private key",
    "passwort",
    "kennwort",
    "mot passe",
    "mot de passe",
    "contrasena",
    "senha",
];
pub(super) const PLACE_OF_LIVING: &[&str] = &[
    "city",
    "town",
    "postcode",
    "post code",
    "postal code",
    "zip",
    "zip code",
    "plz",
    "postleitzahl",
    "ort",
    "wohnort",
    "stadt",
    "ville",
    "code postal",
    "ciudad",
    "codigo postal",
    "cidade",
    "cep",
];
pub(super) const NETWORK: &[&str] = &[
    "ip",
    "ip address",
    "client ip",
    "remote address",
    "remote addr",
    "user agent",
    "device id",
    "mac address",
];
/// Keys whose values look like numbers of persons or cards and are not.
pub(super) const NOT_A_PERSON: &[&str] = &[
    "order",
    "order id",
    "order number",
    "trace",
    "trace id",
    "span",
    "span id",
    "request id",
    "correlation id",
    "version",
    "revision",
    "sha",
    "hash",
    "digest",
    "checksum",
    "etag",
    "uuid",
    "guid",
    "sku",
    "ean",
    "isbn",
    "gtin",
    "imei",
    "serial",
    "batch",
    "transaction",
    "transaction id",
    "invoice",
    "invoice number",
    "reference",
    "tracking",
    "amount",
    "price",
    "total",
    "quantity",
    "count",
    "timestamp",
    "created",
    "updated",
    "modified",
    "nonce",
    "signature",
    "checkout",
    "cursor",
    "bestellnummer",
    "rechnungsnummer",
    "commande",
    "pedido",
    "factura",
];

#[cfg(test)]
mod tests {
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
