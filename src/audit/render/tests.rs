use super::*;

/// The expression that begins at each `^`, up to the `$` behind it.
#[test]
fn an_expression_is_a_name_and_its_arguments() {
    let table = [
        "let s = ^SysAllocString(text.as_ptr())$;",
        "^free(copy(one), two)$ + rest",
        "let n = ^string.len()$ + 1;",
        "^one$ + two",
        "free(^string$)",
        "take(^one$, two)",
        "^bstr!(\"a\")$.clone()",
        // On this line there is no more of it.
        "let s = ^SysAllocStringLen($",
        "^+ two$",
        "^)$",
    ];
    for marked in table {
        let (before, rest) = marked.split_once('^').unwrap();
        let (expected, after) = rest.split_once('$').unwrap();
        let source = format!("fn first() {{}}\nß {before}{expected}{after}\nlast()");
        let place = Place {
            file: String::new(),
            line: 2,
            column: 3 + before.chars().count(),
        };
        assert_eq!(&source[expression(&source, &place)], expected, "{marked}");
    }
}

/// A file may have changed since it was compiled.
#[test]
fn a_place_that_is_not_there_marks_nothing_but_what_is() {
    for (line, column) in [(0, 0), (1, 9), (2, 1), (3, 1), (usize::MAX, usize::MAX)] {
        let source = "a(b)\n";
        let file = String::new();
        let span = expression(source, &Place { file, line, column });
        assert!(span.start <= span.end && source.get(span).is_some());
    }
}

#[test]
fn text_is_wrapped_between_words() {
    let word = "w".repeat(43);
    let long = "l".repeat(100);
    let text = format!("{long} {word} {word} x {long} {word} {word}y {word} {word}yy");
    let lines = [
        long.clone(),
        format!("{word} {word}"),
        "x".to_string(),
        long,
        format!("{word} {word}y"), // 88
        word.clone(),
        format!("{word}yy"),
    ];
    assert_eq!(wrapped(&text), lines.join("\n"));
    assert_eq!(wrapped(""), "");
}
