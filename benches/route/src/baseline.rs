//! What one would write without the crate: a flat trie over interned tokens.
//!
//! It knows `*` and `>` and compares tokens, nothing more: no scopes, no aliases, no removal, no
//! groups, and its matches come in the order of its nodes.

use foldhash::fast::FixedState;
use std::collections::HashMap;

type Map<K, V> = HashMap<K, V, FixedState>;

const ANY: u32 = 0;
const ROOT: u32 = 0;

#[derive(Default)]
pub struct FlatTrie {
    tokens: Map<Box<str>, u32>,
    /// Node and token to node.
    edges: Map<(u32, u32), u32>,
    nodes: Vec<Lists>,
    len: u32,
}

#[derive(Default)]
struct Lists {
    here: Vec<u32>,
    rest: Vec<u32>,
}

impl FlatTrie {
    pub fn new() -> Self {
        FlatTrie { nodes: vec![Lists::default()], ..FlatTrie::default() }
    }

    /// Adds a subscription; its value has the same place in a list of the caller's.
    pub fn insert(&mut self, pattern: &str) {
        let subscription = self.len;
        self.len += 1;
        let mut node = ROOT;
        for token in pattern.split('.') {
            if token == ">" {
                self.nodes[node as usize].rest.push(subscription);
                return;
            }
            let token = if token == "*" {
                ANY
            } else if let Some(known) = self.tokens.get(token) {
                *known
            } else {
                let new = self.tokens.len() as u32 + 1;
                self.tokens.insert(token.into(), new);
                new
            };
            let nodes = &mut self.nodes;
            node = *self.edges.entry((node, token)).or_insert_with(|| {
                nodes.push(Lists::default());
                nodes.len() as u32 - 1
            });
        }
        self.nodes[node as usize].here.push(subscription);
    }

    /// Copies the places of all subscriptions that a key of three tokens meets.
    pub fn matches(&self, key: [&str; 3], out: &mut Vec<u32>) {
        let tokens = key.map(|token| self.tokens.get(token).copied());
        self.walk(ROOT, &tokens, out);
    }

    fn walk(&self, node: u32, rest: &[Option<u32>], out: &mut Vec<u32>) {
        let lists = &self.nodes[node as usize];
        let Some((first, rest)) = rest.split_first() else {
            out.extend_from_slice(&lists.here);
            return;
        };
        out.extend_from_slice(&lists.rest);
        for token in [*first, Some(ANY)].into_iter().flatten() {
            if let Some(next) = self.edges.get(&(node, token)) {
                self.walk(*next, rest, out);
            }
        }
    }
}
