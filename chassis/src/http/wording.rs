//! Says in words for API users what serde says in words for Rust programmers.

/// What is wrong, and in which member if the message names one.
pub(super) struct Wording {
    pub(super) field: Option<String>,
    pub(super) detail: String,
}

impl Wording {
    fn here(detail: impl Into<String>) -> Self {
        Self { field: None, detail: detail.into() }
    }

    fn at(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), detail: detail.into() }
    }
}

/// Rewords a message of serde's own derive; a message of ours passes unchanged.
pub(super) fn of_serde(message: &str) -> Wording {
    if let Some(name) = quoted_after(message, "missing field `") {
        return Wording::at(name, "is required");
    }
    if let Some(name) = quoted_after(message, "duplicate field `") {
        return Wording::at(name, "is given twice");
    }
    if let Some(name) = quoted_after(message, "unknown field `") {
        let known = message.split_once(", expected ").map(|(_, known)| known.trim_start_matches("one of "));
        return match known {
            Some(known) => Wording::at(name, format!("is not known here; known are {known}")),
            None => Wording::at(name, "is not known here"),
        };
    }
    if let Some(name) = quoted_after(message, "unknown variant `") {
        let known = message.split_once(", expected ").map_or("", |(_, known)| known.trim_start_matches("one of "));
        return Wording::here(format!("must be one of {known}, not `{name}`"));
    }
    if message.starts_with("data did not match any variant") || message.starts_with("no variant of enum") {
        return Wording::here("has none of the forms that are accepted here");
    }
    for prefix in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected ")) {
            return Wording::here(format!("must be {}, not {}", expectation(expected), found_value(found)));
        }
    }
    Wording::here(of_parsing(message))
}

/// Rewords the standard library's parse errors, which text parameters meet.
fn of_parsing(message: &str) -> String {
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "must be a whole number",
        "number too large to fit in target type" => "is too large",
        "number too small to fit in target type" => "is too small",
        "invalid float literal" | "cannot parse float from empty string" => "must be a number",
        "provided string was not `true` or `false`" => "must be `true` or `false`",
        // Of times; in parameters nothing else is parsed by parts.
        other if other.starts_with("failed to ") || other.starts_with("expected four digit year") => {
            "must be a time such as 2026-11-22T09:30:00Z"
        }
        other => other,
    }
    .to_owned()
}

/// What a Rust type means to an API user.
pub(super) fn expectation(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative and not too large",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number that is not too large",
        "f32" | "f64" => "a number",
        "unit" => "null",
        "a sequence" => "an array",
        "a map" | "map" => "an object",
        "string or map" => "a string or an object",
        "a borrowed string" | "a str" | "str" | "string" => "a string",
        other if other.starts_with("a nonzero") => "a whole number above zero",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("enum ") || other.contains("variant") => "one of the accepted values",
        other if other.starts_with("tuple ") || other.contains("an array of length") => "an array of the right length",
        other if other.contains("::") => "another kind of value",
        other => return other.to_owned(),
    }
    .to_owned()
}

fn found_value(found: &str) -> String {
    match found {
        "map" => "an object".to_owned(),
        "sequence" => "an array".to_owned(),
        "unit" | "Option value" => "null".to_owned(),
        other if other.chars().count() > 80 => {
            let cut: String = other.chars().take(80).collect();
            format!("{cut}…")
        }
        other => other.replace("floating point ", "number ").replace("integer ", "number "),
    }
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::of_serde;

    #[test]
    fn a_time_is_asked_for_by_example() {
        for wrong in ["yesterday", "", "2026-11-22", "2026-13-22T00:00:00Z", "2026-11-22T09:30:00", "2026-11-22T25:00Z"]
        {
            let said = wrong.parse::<jiff::Timestamp>().unwrap_err().to_string();
            assert_eq!(of_serde(&said).detail, "must be a time such as 2026-11-22T09:30:00Z", "{wrong}: {said}");
        }
    }
}
