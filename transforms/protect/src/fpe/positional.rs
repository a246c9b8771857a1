//! Values whose characters are enciphered where they stand.

use allonym_record::Value;
use zeroize::Zeroizing;

use super::plan::Work;
use super::tweaks::TweakList;
use super::{FpeKey, Way, text_of};
use crate::template::{Layout, Run, Template};
use crate::{Fault, FaultRule};

/// Takes the values of one version and layout through the engine, and makes their check
/// digits anew.
pub(super) fn run(
    way: Way,
    template: &dyn Template,
    (key, scope, slot): (&FpeKey, &[u8], u32),
    group: &[Work],
    batch: &mut [&mut Value],
) -> Result<(), Fault> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    let layout = template.layouts().get(first.group);
    let layout = layout.ok_or(Fault { index: first.index, rule: FaultRule::Structure })?;
    let last = layout.runs.len().saturating_sub(1);
    for (at, run) in layout.runs.iter().enumerate() {
        let slot = (at == last).then_some(slot);
        cipher_run(way, template, (key, scope, slot), (layout, run), group, batch)?;
    }
    Ok(())
}

/// Takes one run of each value through the engine in one call.
fn cipher_run(
    way: Way,
    template: &dyn Template,
    (key, scope, slot): (&FpeKey, &[u8], Option<u32>),
    (layout, run): (&Layout, &Run),
    group: &[Work],
    batch: &mut [&mut Value],
) -> Result<(), Fault> {
    let mut numerals = Zeroizing::new(Vec::with_capacity(run.len() * group.len()));
    let mut tweaks = TweakList::for_values(group.len());
    for work in group {
        let fault = |rule| Fault { index: work.index, rule };
        let text = batch.get(work.index).and_then(|value| value.as_str());
        let text = text.ok_or(fault(FaultRule::Kind))?;
        template.read(run, text, &mut numerals).map_err(fault)?;
        let append = |typed: &mut Vec<u8>| template.append_kept(layout, text, typed);
        tweaks.push(run.tweak, &key.prf, scope, append).map_err(fault)?;
    }
    let whole = |rule| Fault { index: group.first().map_or(0, |work| work.index), rule };
    let engine = key.engine(run.radix).map_err(whole)?;
    tweaks
        .run(way, engine, run.len(), &mut numerals, 0..group.len())
        .map_err(|_| whole(FaultRule::Length))?;
    for (work, numerals) in group.iter().zip(numerals.chunks_exact(run.len())) {
        let fault = |rule| Fault { index: work.index, rule };
        let text = batch.get_mut(work.index).and_then(|value| text_of(value));
        let text = text.ok_or(fault(FaultRule::Kind))?;
        template.write(run, numerals, slot, text).map_err(fault)?;
    }
    Ok(())
}
