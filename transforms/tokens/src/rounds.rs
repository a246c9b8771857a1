//! A batch that is begun anew because tokens it found were deleted meanwhile.

use std::collections::HashSet;

use allonym_protect::{Candidate, Issued, TokenError};

/// Keeps which candidates are stored. One that was stored in an earlier round, was
/// deleted since and is another token now may have been seen by others: whoever asked
/// must not take it for unused, so the whole batch fails.
pub(crate) fn note_stored(
    stored: &mut HashSet<String>,
    candidates: &[Candidate],
    issued: &[Option<Issued>],
) -> Result<(), TokenError> {
    for (candidate, issued) in candidates.iter().zip(issued) {
        match issued {
            Some(Issued::Token(token)) if *token == candidate.token => {
                stored.insert(token.clone());
            }
            _ if stored.contains(&candidate.token) => {
                return Err(TokenError::Unavailable("its tokens change".into()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// A round says what each of two candidates got; whether the batch may go on.
    #[test]
    fn a_candidate_that_was_stored_and_is_gone_fails_the_batch() {
        let candidate = |token: &str| Candidate {
            lookup: None,
            value: Zeroizing::new(Vec::new()),
            token: token.to_owned(),
        };
        let candidates = [candidate("a"), candidate("b")];
        let got = |token: &str| Some(Issued::Token(token.to_owned()));
        for (what, rounds, fails) in [
            ("stored once, and still", vec![[got("a"), got("x")], [got("a"), got("x")]], false),
            ("stored later", vec![[got("x"), None], [got("a"), got("b")]], false),
            ("never stored", vec![[got("x"), Some(Issued::Taken)], [None, got("y")]], false),
            ("another token since", vec![[got("a"), got("b")], [got("a"), got("y")]], true),
            ("taken since", vec![[got("a"), None], [Some(Issued::Taken), None]], true),
            ("disabled since", vec![[got("a"), None], [Some(Issued::Disabled), None]], true),
            ("nothing since", vec![[None, got("b")], [None, None]], true),
        ] {
            let mut stored = HashSet::new();
            let last = rounds.len() - 1;
            for (round, issued) in rounds.iter().enumerate() {
                let noted = note_stored(&mut stored, &candidates, issued);
                let expected = fails && round == last;
                assert_eq!(noted.is_err(), expected, "{what}: round {round}");
            }
        }
    }
}
