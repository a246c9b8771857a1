use super::super::*;
use super::format;

/// Numbers that authorities, their forms and encyclopedias give as examples.
const VALID: &[(&str, &str)] = &[
    ("ar_cuit", "20-05536168-2"),
    ("at_svnr", "1237 010180"),
    ("au_abn", "51 824 753 556"),
    ("au_abn", "83914571673"),
    ("au_tfn", "123 456 782"),
    ("au_tfn", "876543210"),
    ("be_enterprise", "0403.019.261"),
    ("be_national_number", "85.07.30-033.28"),
    ("be_national_number", "17073003384"),
    ("bg_egn", "7523169263"),
    ("bg_egn", "8032056031"),
    ("bg_egn", "7542011030"),
    ("br_cnpj", "11.222.333/0001-81"),
    ("br_cpf", "111.444.777-35"),
    ("br_cpf", "52998224725"),
    ("ch_ahv", "756.9217.0769.85"),
    ("ch_uid", "CHE-100.155.212"),
    ("cl_rut", "12.531.909-2"),
    ("cl_rut", "76086428-5"),
    ("cn_resident_id", "11010519491231002X"),
    ("cn_resident_id", "440524188001010014"),
    ("cz_ico", "25123891"),
    ("de_tax_id", "36574261809"),
    ("de_tax_id", "86095742719"),
    ("de_tax_id", "65929970489"),
    ("de_vat_id", "DE136695976"),
    ("dk_cpr", "211062-5629"),
    ("dk_cvr", "13585628"),
    ("ec_cedula", "1714307103"),
    ("ee_isikukood", "37605030299"),
    ("es_dni", "12345678Z"),
    ("es_nie", "X-1234567-L"),
    ("fi_hetu", "131052-308T"),
    ("fi_ytunnus", "2077474-0"),
    ("fr_nir", "2 55 08 14 168 025 38"),
    ("fr_nir", "295109912611193"),
    ("fr_siren", "732 829 320"),
    ("gb_nhs", "943 476 5919"),
    ("gb_nino", "AB 12 34 56 C"),
    ("gb_utr", "1955839661"),
    ("gr_afm", "094259216"),
    ("gr_amka", "01013099997"),
    ("hk_hkid", "A123456(3)"),
    ("hk_hkid", "G123456A"),
    ("hr_oib", "33392005961"),
    ("hu_taj", "111111110"),
    ("ie_pps", "1234567T"),
    ("ie_pps", "1234567FA"),
    ("il_teudat_zehut", "039337423"),
    ("in_aadhaar", "2341 2341 2346"),
    ("in_pan", "ACUPA7085R"),
    ("is_kennitala", "120174-3399"),
    ("it_codice_fiscale", "RSSMRA85T10A562S"),
    ("it_codice_fiscale", "MRTMTT25D09F205Z"),
    ("it_partita_iva", "00743110157"),
    ("jp_corporate_number", "5835678256246"),
    ("jp_corporate_number", "7000012050002"),
    ("jp_my_number", "123456789018"),
    ("lt_asmens_kodas", "33309240064"),
    ("nl_bsn", "111222333"),
    ("nl_bsn", "123456782"),
    ("no_fodselsnummer", "15108695088"),
    ("no_orgnr", "974760673"),
    ("nz_ird", "49091850"),
    ("nz_ird", "35901981"),
    ("nz_ird", "49-098-576"),
    ("nz_ird", "136410132"),
    ("pe_ruc", "20512333797"),
    ("pl_nip", "856-734-62-15"),
    ("pl_pesel", "44051401359"),
    ("pl_pesel", "02070803628"),
    ("pl_regon", "123456785"),
    ("pt_nif", "501964843"),
    ("pt_nif", "123456789"),
    ("ro_cnp", "1630615123457"),
    ("rs_jmbg", "0101006500006"),
    ("ru_inn", "7707083893"),
    ("ru_inn", "500100732259"),
    ("se_personnummer", "811228-9874"),
    ("se_personnummer", "880320-0016"),
    ("se_personnummer", "198112289874"),
    ("sg_nric", "S1234567D"),
    ("sg_nric", "F1234567N"),
    ("th_id", "3100600445635"),
    ("tr_kimlik", "10000000146"),
    ("tr_kimlik", "17291716060"),
    ("tw_national_id", "A123456789"),
    ("ua_rntrc", "1759013776"),
    ("us_ein", "91-1144442"),
    ("us_itin", "912-90-3456"),
    ("us_npi", "1234567893"),
    ("us_routing", "011000015"),
    ("us_ssn", "536-90-4399"),
    ("us_ssn", "899999999"),
    ("za_id", "7503305044089"),
    ("za_id", "8001015009087"),
];

const INVALID: &[(&str, &str, FaultRule)] = &[
    ("us_ssn", "000-12-3456", FaultRule::Structure),
    ("us_ssn", "666-12-3456", FaultRule::Structure),
    ("us_ssn", "900-12-3456", FaultRule::Structure),
    ("us_ssn", "999999999", FaultRule::Structure),
    ("us_ssn", "123-00-3456", FaultRule::Structure),
    ("us_ssn", "123-12-0000", FaultRule::Structure),
    ("us_ssn", "123-123-456", FaultRule::Structure),
    ("us_ssn", "123-45-678", FaultRule::Length),
    ("us_ssn", "123 45 6789", FaultRule::Alphabet),
    ("us_ssn", "", FaultRule::Length),
    ("us_ssn", "123-45-67\u{669}9", FaultRule::Alphabet),
    ("us_ein", "07-1144442", FaultRule::Structure),
    ("us_itin", "912-93-3456", FaultRule::Structure),
    ("us_itin", "812-90-3456", FaultRule::Structure),
    ("us_npi", "3234567893", FaultRule::Structure),
    ("ca_sin", "046454286", FaultRule::Structure),
    ("br_cpf", "111.111.111-11", FaultRule::Structure),
    ("gb_nhs", "0000000000", FaultRule::Structure),
    // The check digit of this body would be 10.
    ("gb_nhs", "0000000060", FaultRule::CheckDigits),
    ("gb_nino", "GB123456C", FaultRule::Structure),
    ("gb_nino", "QQ123456C", FaultRule::Alphabet),
    ("gb_nino", "AO123456C", FaultRule::Structure),
    ("gb_nino", "AB123456E", FaultRule::Structure),
    ("gb_nino", "ab123456c", FaultRule::Alphabet),
    ("de_tax_id", "36554266806", FaultRule::Structure),
    ("de_tax_id", "01234567890", FaultRule::Structure),
    ("de_tax_id", "12345678901", FaultRule::Structure),
    ("de_tax_id", "11123456780", FaultRule::Structure),
    ("at_svnr", "0237 010180", FaultRule::Structure),
    ("at_svnr", "1237 310280", FaultRule::Structure),
    ("au_abn", "10000000000", FaultRule::CheckDigits),
    ("be_national_number", "85.07.30-033.29", FaultRule::CheckDigits),
    ("be_national_number", "85.00.00-033.28", FaultRule::Structure),
    ("be_national_number", "85.07.30-999.28", FaultRule::Structure),
    ("fr_nir", "255081416802500", FaultRule::CheckDigits),
    ("fr_nir", "255081416802598", FaultRule::CheckDigits),
    ("fr_nir", "255081416800038", FaultRule::Structure),
    ("fr_nir", "255082C16802538", FaultRule::Alphabet),
    ("es_dni", "12345678U", FaultRule::Alphabet),
    ("es_dni", "A2345678Z", FaultRule::Structure),
    ("fi_hetu", "131052H308T", FaultRule::Structure),
    ("fi_hetu", "290299-308T", FaultRule::Structure),
    ("fi_hetu", "131052-900T", FaultRule::Structure),
    ("dk_cpr", "290200-0000", FaultRule::Structure),
    ("dk_cpr", "310260-1111", FaultRule::Structure),
    ("no_fodselsnummer", "15108695088 ", FaultRule::Structure),
    ("no_fodselsnummer", "290200 12345", FaultRule::Structure),
    ("se_personnummer", "811328-9874", FaultRule::Structure),
    ("se_personnummer", "19811228/9874", FaultRule::Alphabet),
    ("it_codice_fiscale", "ARBMRA85T10A562S", FaultRule::Structure),
    ("it_codice_fiscale", "RSSMRA85F10A562S", FaultRule::Structure),
    ("it_codice_fiscale", "RSSMRA85T32A562S", FaultRule::Structure),
    ("it_codice_fiscale", "RSSMRA85T10Z062S", FaultRule::Structure),
    ("tr_kimlik", "00000000146", FaultRule::Structure),
    ("nz_ird", "9999999", FaultRule::Length),
    ("nz_ird", "09999999", FaultRule::Structure),
    ("nz_ird", "150000000", FaultRule::Structure),
    ("in_aadhaar", "1341 2341 2346", FaultRule::Structure),
    ("in_pan", "ACUXA7085R", FaultRule::Structure),
    ("in_pan", "ACUPA0000R", FaultRule::Structure),
    ("nl_bsn", "001222333", FaultRule::Structure),
    ("is_kennitala", "120174-3391", FaultRule::Structure),
];

#[test]
fn published_numbers_are_valid() {
    for (id, text) in VALID {
        let national = format(id);
        let rank = national.rank(text);
        assert_eq!(rank.map(|rank| rank.slot), Ok(0), "{id}: {text}");
        assert_eq!(*national.unrank(rank.unwrap(), "").unwrap(), *text, "{id}");
        assert!(super::oracle::valid(id, text), "{id}: {text}");
    }
    for id in ids() {
        let known = VALID.iter().any(|(known, _)| known == id) || *id == "ca_sin";
        assert!(known, "no number of {id}");
    }
}

#[test]
fn what_is_no_such_number_is_refused_by_its_rule() {
    let wrong: Vec<_> = INVALID
        .iter()
        .map(|(id, text, expected)| (id, text, expected, format(id).rank(text)))
        .filter(|(_, _, expected, found)| *found != Err(**expected))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_moved_check_digit_is_its_distance_from_the_valid_one() {
    for (id, text, slot) in [
        ("us_npi", "1234567894", 1),
        ("us_npi", "1234567892", 9),
        ("fr_nir", "255081416802539", 1),
        ("fr_nir", "255081416802537", 96),
        ("fr_nir", "255081416802597", 59),
        ("fr_nir", "255081416802501", 60),
        ("es_dni", "12345678A", 1),
        ("gb_utr", "2955839661", 1),
        ("br_cpf", "52998224726", 1),
        ("br_cpf", "52998224724", 99),
        ("br_cpf", "52998224735", 10),
        ("cn_resident_id", "110105194912310020", 1),
        ("au_abn", "11824753556", 49),
        ("au_abn", "99824753556", 48),
        ("hr_oib", "33392005960", 9),
    ] {
        let national = format(id);
        let rank = national.rank(text).unwrap();
        assert_eq!(rank.slot, slot, "{id}: {text}");
        assert_eq!(*national.unrank(rank, "").unwrap(), *text, "{id}");
    }
}

#[test]
fn forms_are_classes_and_separators_come_back() {
    let ssn = format("us_ssn");
    let names: Vec<&str> = ssn.classes().iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["form xxxxxxxxx", "form xxx-xx-xxxx"]);
    for (text, class, number) in [
        ("001010001", 0, 0),
        ("001-01-0001", 1, 0),
        ("001-01-9999", 1, 9_998),
        ("001-02-0001", 1, 9_999),
        ("667-01-0001", 1, 665 * 99 * 9_999),
        ("899-99-9999", 1, 898 * 99 * 9_999 - 1),
    ] {
        let rank = Rank { class, number, slot: 0 };
        assert_eq!(ssn.rank(text), Ok(rank));
        assert_eq!(*ssn.unrank(rank, "").unwrap(), text);
    }
    let belgian = format("be_national_number");
    assert_eq!(belgian.rank("85073003328").unwrap().class, 0);
    assert_eq!(belgian.rank("17073003384").unwrap().class, 2);
    assert_eq!(belgian.classes()[2].name, "form xxxxxxxxxkk, born from 2000 on");
}
