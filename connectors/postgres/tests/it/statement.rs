//! What kind a statement is, by its first words.

use allonym_postgres::wire::statement::StatementClass as Class;
use proptest::prelude::*;

#[test]
fn first_words() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Class::of(text.as_bytes()).name(), expected, "{text}");
        // Case, and what may stand before and behind a statement, change nothing.
        for before in
            [" ", "\t\r\n", "-- select\n", "--\r", "/* a /* b */ ' */", ";", "( ", "/**/--\n;"]
        {
            assert_eq!(
                Class::of(format!("{before}{text}").as_bytes()).name(),
                expected,
                "{before}{text}"
            );
        }
        assert_eq!(Class::of(format!("{text} ;").as_bytes()).name(), expected, "{text}");
    };
    let table = [
        ("select", "SELECT 1|select|sElEcT* from t|values (1)|TABLE t|select'1'|select/**/1"),
        ("insert", "insert into t values (1)"),
        ("update", "UPDATE t SET a = 1"),
        ("delete", "delete from t"),
        ("merge", "MERGE INTO t USING s"),
        ("copy", "copy t from stdin|COPY (select 1) TO STDOUT"),
        (
            "ddl",
            "create table t (a int)|ALTER ROLE a|drop view v|truncate t|comment on table t is ''|grant select on t \
             to a|revoke all on t from a|reindex table t|refresh materialized view v|cluster t|security label on \
             table t is ''|import foreign schema s|reassign owned by a to b",
        ),
        (
            "transaction",
            "begin|start transaction|commit|END|rollback to s|abort|savepoint s|release s|prepare \
             transaction 'x'|PREPARE /* */ Transaction 'x'|commit prepared 'x'",
        ),
        ("set", "set a = b|SET LOCAL a TO b|reset all|discard all"),
        ("show", "show all"),
        ("prepare", "prepare p as select 1|deallocate p|prepare \"transaction\" as select 1"),
        ("execute", "execute p(1)"),
        ("cursor", "declare c cursor for select 1|fetch 1 from c|move c|close c"),
        ("listen", "listen a|unlisten *|notify a, 'b'"),
        ("call", "call p()"),
        ("do", "do $$ begin end $$"),
        ("explain", "explain analyze select 1"),
        (
            "other",
            "vacuum|analyze t|lock t|checkpoint|selects|select_|wählen|'text'|\"select\" 1|1|$1|selectselectselect",
        ),
    ];
    for (class, texts) in table {
        for text in texts.split('|') {
            check(text, class);
        }
    }
}

#[test]
fn nothing_there() {
    for text in ["", " ", ";", ";;", "-- select", "/* select */", "/* /* */ */ ; --"] {
        assert_eq!(Class::of(text.as_bytes()), Class::Empty, "{text}");
    }
    for text in ["/* not ended", "/* /* */", "'not ended", "\"not ended", "$a$ not ended", "e'\\'"]
    {
        assert_eq!(Class::of(text.as_bytes()), Class::Other, "{text}");
    }
}

#[test]
fn behind_with() {
    let check = |text: &str, expected: Class| {
        assert_eq!(Class::of(text.as_bytes()), expected, "{text}");
        assert_eq!(Class::of(text.to_uppercase().as_bytes()), expected, "{text}");
    };
    check("with a as (select 1) select * from a", Class::Select);
    check("with a as (select 1) insert into t select * from a", Class::Insert);
    check("with a as (delete from t returning *) update t set b = 1", Class::Update);
    check("with a(x, y) as (select ')', \"(\"), b as (values (1)) delete from t", Class::Delete);
    check("with a as materialized (select 1) merge into t", Class::Merge);
    check("with a as not materialized (select 1) table a", Class::Select);
    check("with a as (select 1) values (1)", Class::Select);
    check("with a as (select 1) (select 2)", Class::Select);
    check("with a as (select 1) ((update_ 2", Class::Other);
    // Words that are names.
    check("with update as (select 1) delete from t", Class::Delete);
    check("with recursive insert(n) as (select 1) select 1", Class::Select);
    check("with recursive as (select 1) select 1", Class::Select);
    check("with a as (select 1), delete as (select 2) insert into t", Class::Insert);
    check("with \"a\" as (select 1) select 1", Class::Select);
    check(
        "with recursive a as (select 1) search depth first by update set delete select 1",
        Class::Select,
    );
    check(
        "with recursive a as (select 1) cycle merge set insert to 'y' default 'n' using values delete from t",
        Class::Delete,
    );
    // What looks like brackets and verbs inside of strings and comments.
    check("with a as (select ') insert' /* ) insert */ -- ) insert\n) select 1", Class::Select);
    check(
        "with a as (select $x$ ) insert $$ $x$, $1, e'\\') insert') delete from t",
        Class::Delete,
    );
    check("with a as (select 1)", Class::Other);
    check("with a as (select 1); select 1", Class::Other);
    check("with", Class::Other);
}

#[test]
fn no_more_than_4_kib() {
    let padded = |spaces: usize| [" ".repeat(spaces).as_bytes(), b"select 1"].concat();
    assert_eq!(Class::of(&padded(4000)), Class::Select);
    assert_eq!(Class::of(&padded(4096)), Class::Other);
    assert_eq!(Class::of(&padded(1 << 20)), Class::Other);
    assert_eq!(Class::of(&[b' '; 5000]), Class::Other);
    assert_eq!(Class::of(&[b' '; 4096]), Class::Empty);
}

#[test]
fn numbers_and_names() {
    let mut names = std::collections::HashSet::new();
    for (number, class) in (0_u8..).zip(Class::ALL) {
        assert_eq!(class.number(), number);
        assert_eq!(Class::from_number(number), Some(class));
        assert!(class.name().bytes().all(|byte| byte.is_ascii_lowercase()));
        assert!(names.insert(class.name()));
    }
    assert_eq!(Class::from_number(19), None);
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let classes = [Class::of(&bytes), Class::of(&[b"with ", bytes.as_slice()].concat())];
        prop_assert!(classes.iter().all(|class| Class::ALL.contains(class)));
    }

    #[test]
    fn any_marks(text in "(with |select|insert|a| |\\(|\\)|,|;|'|\"|\\$a?\\$|--|\n|/\\*|\\*/|e'|\\\\){0,40}") {
        let class = Class::of(text.as_bytes());
        prop_assert!(Class::ALL.contains(&class));
    }
}
