use super::*;
#[test]
fn dump() {
    let mut k: u128 = 12345;
    for id in ids() {
        let n = National::new(id).unwrap();
        println!("#{id}\t{}\t{:?}", n.slots(), n.classes.iter().map(|c| (c.name.clone(), c.size)).collect::<Vec<_>>());
        for (class, c) in n.classes.iter().enumerate() {
            for i in 0..400u128 {
                k = k.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407 + i);
                let number = match i { 0 => 0, 1 => c.size - 1, _ => (k >> 30) % c.size };
                let t = n.unrank(Rank { class, number, slot: 0 }, "").unwrap();
                assert_eq!(n.rank(&t), Ok(Rank { class, number, slot: 0 }), "{id} {}", *t);
                println!("{id}\t{}", *t);
            }
        }
    }
}
