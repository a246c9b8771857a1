use crate::plan::{DomainReport, Quota, SizeReport};

/// Most sizes that are printed of one domain, the smallest first.
const SHOWN: usize = 12;

/// From so many values a minute on a quota limits nothing: no core enciphers as many.
const BOUNDLESS: u64 = 10_000_000_000;

/// The reports for people.
pub(super) fn lines(reports: &[DomainReport]) -> Vec<String> {
    reports.iter().flat_map(domain).collect()
}

fn domain(report: &DomainReport) -> Vec<String> {
    let mut lines = vec![format!("  {:<18} {}", report.domain, report.method)];
    if report.classes.iter().any(|class| *class != report.domain) {
        lines.push(format!("    classes   {}", report.classes.join(", ")));
    }
    if let Some(why) = &report.refused {
        lines.push(format!("    refused   {why}"));
    }
    if report.sizes.is_empty() {
        lines.push("    size      of its own it has none: it takes what it is given".to_owned());
    }
    let mut sizes: Vec<&SizeReport> = report.sizes.iter().collect();
    sizes.sort_by(|a, b| a.bits.total_cmp(&b.bits));
    lines.extend(sizes.iter().take(SHOWN).map(|size| format!("    size      {}", one(size))));
    if let Some(more) = sizes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("    size      and {more} that are larger (all with --json)"));
    }
    if let Some(distinct) = report.distinct {
        lines.push(format!("    declared  {distinct} different values"));
    }
    lines.push(format!("    leaks     {}", report.leaks.join(", ")));
    lines.push(match (report.version, report.live_versions) {
        (None, _) => "    versions  it has no key".to_owned(),
        (Some(mode), None) => format!("    versions  {mode}: any number can live at once"),
        (Some(mode), Some(1)) => format!("    versions  {mode}: 1"),
        (Some(mode), Some(live)) => format!("    versions  {mode}: {live} can live at once"),
    });
    lines
}

fn one(size: &SizeReport) -> String {
    let values = size.values.as_deref().map_or("2^128 values or more".to_owned(), |values| {
        format!("{values} values ({:.1} bits)", size.bits)
    });
    let class = size.class.map(|class| format!(", {class}")).unwrap_or_default();
    let quota = size.quota.map(|quota| format!("; {}", quota_words(quota))).unwrap_or_default();
    format!("{}: {values}{class}{quota}", size.what)
}

fn quota_words(quota: Quota) -> String {
    match (quota.helps, quota.per_minute) {
        (false, _) => "no quota can help: use `token` with `random: true`".to_owned(),
        (true, BOUNDLESS..) => "no quota is needed".to_owned(),
        (true, per_minute) => format!(
            "quota: at most {per_minute} values a minute ({} an hour) and principal",
            quota.per_hour
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sizes: Vec<SizeReport>) -> DomainReport {
        DomainReport {
            domain: "account".to_owned(),
            classes: vec!["account".to_owned()],
            method: "fpe digits (pinned)".to_owned(),
            sizes,
            refused: None,
            distinct: None,
            leaks: vec!["equality".to_owned(), "length".to_owned()],
            version: Some("pinned"),
            live_versions: Some(1),
        }
    }

    fn size(what: &str, bits: f64, quota: Option<Quota>) -> SizeReport {
        let (values, class) = (Some("1000".to_owned()), Some("short"));
        SizeReport { what: what.to_owned(), values, bits, class, quota }
    }

    #[test]
    fn a_report_in_lines() {
        let good = Quota { per_hour: 1_140, per_minute: 19, helps: true };
        let none = Quota { per_hour: 1, per_minute: 0, helps: false };
        let far = Quota { per_hour: u64::MAX, per_minute: u64::MAX / 60, helps: true };
        let sizes = vec![
            size("length 9", 29.9, Some(good)),
            size("length 6", 19.93, Some(none)),
            SizeReport { values: None, class: Some("full"), ..size("length 60", 199.3, Some(far)) },
        ];
        let mut report = report(sizes);
        report.classes.push("old_account".to_owned());
        let expected = "  account            fpe digits (pinned)
    classes   account, old_account
    size      length 6: 1000 values (19.9 bits), short; no quota can help: use `token` with `random: true`
    size      length 9: 1000 values (29.9 bits), short; quota: at most 19 values a minute (1140 an hour) and principal
    size      length 60: 2^128 values or more, full; no quota is needed
    leaks     equality, length
    versions  pinned: 1";
        assert_eq!(lines(&[report]).join("\n"), expected);
    }

    #[test]
    fn many_sizes_are_cut_and_none_is_said() {
        let many = (0..20).map(|n| size(&format!("length {n}"), f64::from(20 - n), None)).collect();
        let printed = lines(&[report(many)]);
        assert!(printed[1].contains("length 19: 1000 values (1.0 bits), short"), "{printed:?}");
        assert_eq!(printed[13], "    size      and 8 that are larger (all with --json)");
        let mut none = report(Vec::new());
        (none.version, none.live_versions) = (Some("slack"), Some(9));
        none.distinct = Some(50);
        let printed = lines(&[none]);
        assert_eq!(printed[1], "    size      of its own it has none: it takes what it is given");
        assert_eq!(printed[2], "    declared  50 different values");
        assert_eq!(printed[4], "    versions  slack: 9 can live at once");
    }
}
