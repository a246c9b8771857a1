//! Ratios measured against a peer or a physical floor in the same run.
