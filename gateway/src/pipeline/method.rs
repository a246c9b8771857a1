//! The two calls into a method. Nothing else in the product makes them.

use allonym_protect::{Context, Method, VaultedFault};
use allonym_record::Value;

use super::Selection;

/// Protects the values at these positions of a batch. On a fault the batch is as it was.
pub(super) async fn protect(
    method: &Method,
    batch: &mut [Selection],
    positions: &[usize],
    context: &Context<'_>,
) -> Result<(), VaultedFault> {
    let mut values = copies(batch, positions);
    let mut references: Vec<&mut Value> = values.iter_mut().collect();
    match method {
        Method::Pure(transform) => {
            transform.protect(&mut references, context).map_err(VaultedFault::Fault)?;
        }
        Method::Stored(vaulted) => vaulted.protect(&mut references, context).await?,
    }
    put_back(batch, positions, values);
    Ok(())
}

/// Reveals the values at these positions of a batch. On a fault the batch is as it was.
pub(super) async fn reveal(
    method: &Method,
    batch: &mut [Selection],
    positions: &[usize],
    context: &Context<'_>,
) -> Result<(), VaultedFault> {
    let mut values = copies(batch, positions);
    let mut references: Vec<&mut Value> = values.iter_mut().collect();
    match method {
        Method::Pure(transform) => {
            transform.reveal(&mut references, context).map_err(VaultedFault::Fault)?;
        }
        Method::Stored(vaulted) => vaulted.reveal(&mut references, context).await?,
    }
    put_back(batch, positions, values);
    Ok(())
}

fn copies(batch: &[Selection], positions: &[usize]) -> Vec<Value> {
    let value = |position: &usize| batch.get(*position).map(|selection| selection.value.clone());
    positions.iter().filter_map(value).collect()
}

fn put_back(batch: &mut [Selection], positions: &[usize], values: Vec<Value>) {
    for (position, value) in positions.iter().zip(values) {
        if let Some(selection) = batch.get_mut(*position) {
            selection.value = value;
        }
    }
}
