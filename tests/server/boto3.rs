//! A client that others wrote reads from the stream exactly what it wrote to the table.

use crate::surroundings::Surroundings;

fn boto3_reads_what_it_wrote(view_type: &str) {
    let surroundings = Surroundings::get();
    let table = surroundings.table(&format!("boto3-{}", view_type.to_lowercase()));
    let mut command = surroundings.write_with_boto3(&table, view_type);
    let output = command
        .args(["--check", "--count", "5"])
        .output()
        .expect("Python starts");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    // 5 x (put, update), 2 replaced, 3 deleted; what changes nothing is not in the stream.
    assert_eq!(out.lines().count(), 15, "{out}");
}

#[test]
fn boto3_reads_what_it_wrote_with_keys_only() {
    boto3_reads_what_it_wrote("KEYS_ONLY");
}

#[test]
fn boto3_reads_what_it_wrote_with_new_images() {
    boto3_reads_what_it_wrote("NEW_IMAGE");
}

#[test]
fn boto3_reads_what_it_wrote_with_old_images() {
    boto3_reads_what_it_wrote("OLD_IMAGE");
}

#[test]
fn boto3_reads_what_it_wrote_with_both_images() {
    boto3_reads_what_it_wrote("NEW_AND_OLD_IMAGES");
}
