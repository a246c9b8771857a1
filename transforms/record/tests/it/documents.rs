//! Random documents and paths. A document knows where each of its nodes stands.

use std::ops::Range;

use allonym_record::{Path, Segment, Step};
use proptest::collection::vec;
use proptest::prelude::*;

/// Few, so that random paths meet random documents.
const NAMES: [&str; 10] = ["a", "b", "c", "ü", "x y", "'", "\"\\/", "", "1", "😀\n"];

#[derive(Debug, Clone)]
enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    /// No name occurs twice.
    Object(Vec<(&'static str, Tree)>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    Name(String),
    Index(usize),
}

/// A node of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) location: Vec<Turn>,
    pub(crate) span: Range<usize>,
    pub(crate) is_scalar: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) nodes: Vec<Node>,
    /// Numbers that decide about blanks and escapes.
    style: Vec<u8>,
    used: usize,
}

impl Document {
    fn style(&mut self, choices: u8) -> u8 {
        self.used += 1;
        let count = self.style.len();
        self.style.get(self.used % count.max(1)).map_or(0, |number| number % choices)
    }

    fn blank(&mut self) {
        let blanks = ["", "", "", " ", "\n          ", "\t\r\n"];
        let blank = blanks[usize::from(self.style(6))];
        self.text.push_str(blank);
    }

    fn string(&mut self, text: &str) {
        let written = if self.style(4) == 0 {
            text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect()
        } else {
            let quoted = serde_json::to_string(text).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        };
        self.text.push_str(&format!("\"{written}\""));
    }

    fn write(&mut self, tree: &Tree, location: &mut Vec<Turn>) {
        let start = self.text.len();
        let is_scalar = matches!(tree, Tree::Scalar(_));
        match tree {
            Tree::Scalar(text) if text.starts_with('"') => self.string(&text[1..]),
            Tree::Scalar(text) => self.text.push_str(text),
            Tree::Array(elements) => {
                self.children('[', ']', elements.iter().enumerate(), location, |_, at| {
                    Turn::Index(at)
                });
            }
            Tree::Object(members) => {
                let members = members.iter().map(|(name, tree)| (*name, tree));
                self.children('{', '}', members, location, |document, name| {
                    document.string(name);
                    document.blank();
                    document.text.push(':');
                    Turn::Name(name.to_owned())
                });
            }
        }
        let span = start..self.text.len();
        self.nodes.push(Node { location: location.clone(), span, is_scalar });
    }

    fn children<'a, K>(
        &mut self,
        open: char,
        close: char,
        children: impl Iterator<Item = (K, &'a Tree)>,
        location: &mut Vec<Turn>,
        head: impl Fn(&mut Self, K) -> Turn,
    ) {
        self.text.push(open);
        for (at, (key, tree)) in children.enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            self.blank();
            location.push(head(self, key));
            self.blank();
            self.write(tree, location);
            location.pop();
            self.blank();
        }
        self.blank();
        self.text.push(close);
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|bool| bool.to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9])?",
        "[a-z ]{0,40}".prop_map(|text| format!("\"{text}")),
        any::<String>().prop_map(|text| format!("\"{text}")),
    ];
    scalar.prop_map(Tree::Scalar).prop_recursive(5, 60, 6, |inner| {
        let names = proptest::sample::subsequence(NAMES.to_vec(), 0..6).prop_shuffle();
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Tree::Array),
            (names, vec(inner, 6))
                .prop_map(|(names, trees)| Tree::Object(names.into_iter().zip(trees).collect())),
        ]
    })
}

/// A valid document without members of the same name.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    (tree(), vec(any::<u8>(), 1..40)).prop_map(|(tree, style)| {
        let mut document = Document { style, ..Document::default() };
        document.blank();
        document.write(&tree, &mut Vec::new());
        document.blank();
        document
    })
}

/// A path that has a chance to select something in a [`document`].
pub(crate) fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![
        5 => proptest::sample::select(NAMES.to_vec()).prop_map(|name| Step::Name(name.to_owned())),
        3 => (0..4_u64).prop_map(Step::Index),
        2 => Just(Step::Any),
    ];
    let segment = (prop::bool::weighted(0.25), step)
        .prop_map(|(descendant, step)| Segment { descendant, step });
    vec(segment, 0..5).prop_map(Path::from)
}

/// A text cut into pieces at these points, each a share of its length.
pub(crate) fn cut<'a>(bytes: &'a [u8], points: &[u16]) -> Vec<&'a [u8]> {
    let mut points: Vec<_> =
        points.iter().map(|point| usize::from(*point) * (bytes.len() + 1) / 65_536).collect();
    points.sort_unstable();
    let starts = std::iter::once(0).chain(points.iter().copied());
    let ends = points.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}
