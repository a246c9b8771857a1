use allonym_protect::{Buckets, Keep, MethodSpec, ShiftPer};

use super::Reader;

impl Reader<'_> {
    pub(super) fn replace(&mut self) -> Option<MethodSpec> {
        match self.typed.with.take() {
            Some(with) => Some(MethodSpec::Replace { with: with.value }),
            None => {
                let hint = "`with: \"(removed)\"`";
                self.problems.add(self.at, "method `replace` needs `with`", hint);
                None
            }
        }
    }

    pub(super) fn truncate(&mut self) -> Option<MethodSpec> {
        self.only("truncate", &["keep", "irreversible"], false);
        let keep = self.keep();
        if keep == Keep::default() {
            let hint = "for instance `keep: { first: 3 }`; to keep nothing use `method: redact`";
            self.problems.add(self.at, "method `truncate` needs `keep`", hint);
            return None;
        }
        Some(MethodSpec::Truncate { keep })
    }

    pub(super) fn date_shift(&mut self) -> Option<MethodSpec> {
        self.only("date_shift", &["format", "days", "per", "irreversible"], true);
        let days = match &self.typed.days {
            Some(days) if (1..=3_650).contains(&days.value) => days.value,
            Some(days) => {
                let hint = "by how many days at most a date moves, for instance `days: 180`";
                self.problems.add(days.at, "`days` is not from 1 to 3650", hint);
                return None;
            }
            None => {
                let hint = "by how many days at most a date moves, for instance `days: 180`";
                self.problems.add(self.at, "method `date_shift` needs `days`", hint);
                return None;
            }
        };
        let per = self.typed.per.as_ref().map_or(ShiftPer::Domain, |per| per.value);
        Some(MethodSpec::DateShift { format: self.date_format()?, days, per })
    }

    pub(super) fn generalize(&mut self) -> Option<MethodSpec> {
        let own = ["width", "ranges", "to", "format", "groups", "irreversible"];
        self.only("generalize", &own, false);
        let typed = &self.typed;
        if let (Some(format), None) = (&typed.format, &typed.to) {
            let hint = "that is how the date is written of which `to` leaves a part";
            self.problems.add(format.at, "`format` has no meaning without `to`", hint);
        }
        let typed = &self.typed;
        let to = match (&typed.width, &typed.ranges, &typed.to, &typed.groups) {
            (Some(width), None, None, None) => Buckets::Width(width.value),
            (None, Some(ranges), None, None) => Buckets::Ranges(ranges.value.clone()),
            (None, None, None, Some(groups)) => Buckets::Groups(groups.value.clone()),
            (None, None, Some(to), None) => {
                let to = to.value;
                Buckets::Date { format: self.date_format()?, to }
            }
            _ => {
                let message =
                    "method `generalize` needs exactly one of `width`, `ranges`, `to` and `groups`";
                let hint = "for instance `width: 10`, `ranges: [\"..17\", \"18..64\", \"65..\"]`, `to: year` or `groups: { north: [oslo, turku] }`";
                self.problems.add(self.at, message, hint);
                return None;
            }
        };
        Some(MethodSpec::Generalize { to })
    }
}
