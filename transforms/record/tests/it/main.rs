//! What the record crate promises, through its public interface.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod names;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod rewriting;
#[cfg(test)]
mod selecting;
#[cfg(test)]
mod selectors;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod strict;
