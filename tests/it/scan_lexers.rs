//! Where a reader of Markdown, shell and YAML could lose its place: each case is a file, and what is
//! found in it.

use coordination_protocol::json::Limits;
use coordination_protocol::scan::{FileKind, LineIndex, Place, Snippet, scan_as};

/// A message that is found wherever it may stand.
const M: &str = r#"TASK_FAILED:wf:b:{"task_id":"t1"}"#;

fn find(kind: FileKind, file: &str) -> Vec<Snippet<'_>> {
    scan_as(file, kind, &Limits::default()).collect()
}

/// The lines on which the messages of a file are found, `M` standing for one.
fn lines(kind: FileKind, file: &str) -> Vec<usize> {
    let file = file.replace('M', M);
    let index = LineIndex::new(&file);
    let found = find(kind, &file);
    assert!(found.iter().all(|snippet| snippet.text == M), "{found:?}");
    found.iter().map(|snippet| index.position(snippet.origin(0)).line).collect()
}

#[test]
fn a_fence_opens_and_closes_as_in_commonmark() {
    // What stands in a fence tagged `js` is not searched, so each line that is found is outside it.
    for (file, found) in [
        ("```js\nM\n```\nM\n", &[4][..]),
        // Marks indented by four columns or more are content, or code.
        ("```js\nM\n    ```\nM\n```\nM\n", &[6]),
        ("```js\nM\n\t```\nM\n```\nM\n", &[6]),
        ("```js\nM\n   ```\nM\n", &[4]),
        ("\n    ```js\nM\n", &[3]),
        ("\n \t```js\nM\n", &[3]),
        // A closing fence is as long as the opening one, of the same marks, with nothing behind.
        ("````js\n```\nM\n````\nM\n", &[5]),
        ("```js\n~~~\nM\n```\nM\n", &[5]),
        ("```js\n``` js\nM\n`````  \nM\n", &[5]),
        ("~~~js `x`\nM\n~~~\nM\n", &[4]),
        ("```js `x`\nM\n", &[2]),
        ("``js\nM\n``\n", &[2]),
        // In a list item, and unclosed in one.
        ("-\t```js\n\tM\n\t```\nM\n", &[4]),
        ("-\t```js\n\tM\n\nM\n", &[4]),
        ("1. ```js\n   M\nM\n", &[3]),
        ("1. ```js\n  M\n", &[2]),
        ("- a\n  - ```js\n    M\n  M\n", &[4]),
        ("- a\n\n  ```js\n  M\n  ```\n\n  M\n", &[7]),
        ("10) ```js\n    M\n    ```\n    M\n", &[4]),
        ("-\n  ```js\n  M\n\nM\n", &[5]),
        ("-\n\n  ```js\n  M\nM\n", &[]),
        // A number other than 1 starts no list in a paragraph.
        ("text\n2. ```js\nM\n", &[3]),
        ("text\n1. ```js\n   M\nM\n", &[4]),
        // In a quotation; only a paragraph goes on without its mark.
        ("> ```js\n> M\nM\n", &[3]),
        (">```js\n>M\n>```\nM\n", &[4]),
        ("> > ```js\n> > M\n> M\n", &[3]),
        ("> - ```js\n>   M\n> M\n", &[3]),
        ("> a\nb\n> ```js\n> M\n> ```\n> M\n", &[6]),
        // In HTML no fence opens.
        ("<div>\n```js\nM\n\n```js\nM\n```\nM\n", &[3, 8]),
        ("<!--\n```js\nM\n-->\nM\n", &[3, 5]),
        ("<pre>\n\n```js\nM\n</pre>\nM\n", &[4, 6]),
        // Nor in front matter.
        ("---\ntext: |\n  ```js\n---\nM\n", &[5]),
        // Code by indentation is text of the document.
        ("a\n\n    M\n", &[3]),
        ("- M\n\n      M\n", &[1, 3]),
        ("```js\nM\n", &[]),
    ] {
        assert_eq!(lines(FileKind::Markdown, file), found, "{file}");
    }
}

#[test]
fn only_the_indentation_of_a_fence_is_taken_away() {
    for (file, text) in [
        (
            "  ```json\n  {\"event\":{\n    \"event_type\":\"x\"}}\n  ```\n",
            "{\"event\":{\n  \"event_type\":\"x\"}}",
        ),
        (
            "- ```json\n  {\"event\":{\n\t\"event_type\":\"x\"}}\n",
            "{\"event\":{\n  \"event_type\":\"x\"}}",
        ),
        (
            ">```json\n>{\"event\":{\n> \"event_type\":\"x\"}}\n",
            "{\"event\":{\n\"event_type\":\"x\"}}",
        ),
    ] {
        let found = find(FileKind::Markdown, file);
        assert_eq!(found.len(), 1, "{file}");
        assert_eq!(found[0].text, text);
        let key = found[0].text.find("\"event_type").unwrap();
        assert_eq!(found[0].origin(key), file.find("\"event_type").unwrap(), "{file}");
    }
}

#[test]
fn the_tag_of_a_fence_tells_its_language() {
    for (info, searched) in [
        ("js{1,3}", false),
        ("mjs", false),
        ("node", false),
        ("TypeScript=x", false),
        ("{.python .numberLines}", false),
        ("src/main.rs", false),
        ("json{1}", true),
        ("{.json}", true),
        ("json;x", true),
        ("text,x", true),
        ("", true),
        ("anything", true),
    ] {
        let file = format!("```{info}\n{M}\n```\n");
        assert_eq!(find(FileKind::Markdown, &file).len(), usize::from(searched), "{info}");
    }
    let file = format!("```{{.bash .numberLines}}\npublish '{M}'\n```\n");
    assert_eq!(find(FileKind::Markdown, &file)[0].text, M);
}

#[test]
fn a_bar_in_a_table_is_escaped_even_in_code() {
    let cell = r#"`TASK_FAILED:wf:b:{"task_id":"t1","error":"a\|b"}`"#;
    let text = r#"TASK_FAILED:wf:b:{"task_id":"t1","error":"a|b"}"#;
    for (file, found) in [
        (format!("| a | b |\n|---|:-:|\n| x | {cell} |\n"), text.to_owned()),
        (format!("a|b\n-|-\nx|{cell}\n"), text.to_owned()),
        (format!("> | a | b |\n> |---|---|\n> | x | {cell} |\n"), text.to_owned()),
        (format!("| a | {cell} |\n|---|---|\n"), text.to_owned()),
        // Anywhere else the backslash is one.
        (format!("| x | {cell} |\n"), text.replace('|', "\\|")),
        (format!("| a |\n|---|---|\n| {cell} |\n"), text.replace('|', "\\|")),
        (format!("| a | b |\n|---|---|\n\n{cell}\n"), text.replace('|', "\\|")),
    ] {
        let held = find(FileKind::Markdown, &file);
        assert_eq!(held.iter().map(|held| &*held.text).collect::<Vec<_>>(), [found], "{file}");
        let quote = held[0].text.rfind('"').unwrap();
        assert_eq!(held[0].origin(quote), file.rfind("\"}").unwrap(), "{file}");
    }
}

#[test]
fn no_quoting_of_the_shell_loses_the_rest() {
    for before in [
        "x=\"${base%\"}\"}\"",
        "x=${x#'}'}",
        "x=\"${x:-\"a}b\"}\"",
        "x=${x//\\}/y}",
        "x=${#x}; y=$#; z=\"$#\"",
        "x=\"${x:-$(echo \"}\")}\"",
        "x=$(( (1 << 2) + 1 )); (( x << 2 ))",
        "x=$((echo a); echo 'b)')",
        "x=`echo \"it's\"`",
        "x=$'it\\'s' y=$\"it's\"",
        "x=a#b'c' # it's",
        "x=$(case y in a) echo ')';; esac)",
        "x=( 'a)' # it's (\n  b )",
        "diff <(echo \"it's\") <(echo ')')",
        "[[ $x == @(a|b\")\") ]]",
        "cat <<\\EOF\n$(it's \"\nEOF",
        "cat <<E\"O\"F\n${it's \"\nEOF",
        "cat <<-'EOF'\n\tit's\n\tEOF",
        "cat <<A <<B\nit's\nA\n\"\nB",
        "x=\"$(cat <<EOF\nit's )\nEOF\n)\"",
        "f() { cat <<EOF\n}\"\nEOF\n}",
        "case x in a) cat <<EOF ;; esac\n\" (\nEOF",
        // What is never closed costs no more than its line.
        "echo 'never closed",
        "echo \"never closed",
        "echo $(never closed",
        "echo ${never closed",
        "echo `never closed",
        "echo $((never closed",
        "echo \"a $( b\"",
        "cat <<NEVER",
        "don't",
    ] {
        let file =
            format!("{before}\npublish \"TASK_FAILED:wf:b:{{\\\"task_id\\\":\\\"t1\\\"}}\"\n");
        let found = find(FileKind::Shell, &file);
        assert_eq!(found.iter().map(|found| &*found.text).collect::<Vec<_>>(), [M], "{file}");
        assert!(matches!(found[0].place, Place::Argument { quote: Some('"') }), "{file}");
    }
}

#[test]
fn a_backslash_quotes_the_delimiter_of_a_here_document() {
    for (delimiter, expands) in
        [("EOF", true), ("\\EOF", false), ("E\\OF", false), ("\"EOF\"", false), ("E'O'F", false)]
    {
        let body = "TASK_FAILED:wf:b:{\"task_id\":\"\\$x\"}";
        let file = format!("cat <<{delimiter}\n{body}\nEOF\n");
        let found = find(FileKind::Shell, &file);
        assert_eq!(found[0].place, Place::HereDoc { delimiter, expands });
        let read = if expands { body.replace('\\', "") } else { body.to_owned() };
        assert_eq!(found[0].text, read);
    }
}

#[test]
fn an_expansion_with_quotes_is_shown_by_its_name() {
    let file = "x \"TASK_FAILED:$wf:b:{\\\"task_id\\\":\\\"${id:-\"a\\\"b\"}\\\",\\\"error\\\":\\\"$(date \"+%F\")\\\"}\"\n";
    let found = find(FileKind::Shell, file);
    assert_eq!(found[0].text, r#"TASK_FAILED:$wf:b:{"task_id":"${id}","error":"$()"}"#);
    assert!(found[0].template);
}

#[test]
fn run_blocks_of_yaml_are_scripts() {
    for (file, found) in [
        ("steps:\n  - run: publish 'M'\n", &[2][..]),
        (
            "steps:\n  - name: x\n    run: |\n      set -e\n      publish 'M'\n  - run: |-\n      publish 'M'\n",
            &[5, 7],
        ),
        ("steps:\n- run: |2+ # why\n    publish 'M'\n", &[3]),
        ("steps:\n- run: >\n    publish\n    'M'\n", &[4]),
        ("steps:\n- run: \"publish 'TASK_FAILED:wf:b:{\\\"task_id\\\":\\\"t1\\\"}'\"\n", &[2]),
        ("steps:\n- run: 'publish ''M'''\n", &[2]),
        ("steps:\n- run: publish\n    'M'\n", &[3]),
        ("steps:\n- \"run\" : publish 'M' # comment\n", &[2]),
        ("steps:\n- run: |\n\n    publish 'M'\n\n    publish 'M'\n  env:\n    a: 'M'\n", &[4, 6]),
        ("runs:\n  steps:\n    - shell: bash\n      run: publish 'M'\n", &[4]),
        ("steps:\r\n- run: |\r\n    publish 'M'\r\n", &[3]),
        // Other keys, other languages, comments.
        ("steps:\n- script: |\n    run: publish 'M'\n", &[]),
        ("steps:\n- run: publish 'M'\n  shell: python\n", &[]),
        ("steps:\n- shell: pwsh\n  run: publish 'M'\n- run: publish 'M'\n", &[4]),
        ("steps:\n# run: publish 'M'\n- |\n  run: publish 'M'\n", &[]),
        ("run:\n  shell: bash\n", &[]),
        ("a: 'M'\n", &[]),
    ] {
        assert_eq!(lines(FileKind::Yaml, file), found, "{file}");
    }
    // A fence with YAML may hold messages beside its scripts.
    let file = "```yaml\nevent: \"M\"\nrun: |\n  publish 'M'\n```\n";
    assert_eq!(lines(FileKind::Markdown, file), [2, 4]);
    let file = "- run: |\n    x=${{ a && 'b' }} publish \"TASK_FAILED:${{ x }}:b:{}\"\n";
    let found = find(FileKind::Yaml, file);
    assert_eq!(found[0].text, "TASK_FAILED:${{ x }}:b:{}");
    assert_eq!(found[0].origin(12), file.find("${{ x").unwrap());
}
