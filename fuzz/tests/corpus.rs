//! The kept corpora, replayed without a fuzzer.

use portable_bstr_fuzz::TARGETS;
use std::fs;
use std::path::Path;

#[test]
fn every_target_passes_its_corpus() {
    portable_bstr::sys::SetOaNoCache();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let files = fs::read_dir(corpus.join(name)).expect("a target has a corpus");
        let mut count = 0;
        for file in files {
            let path = file.expect("it can be read").path();
            println!("{}", path.display());
            target(&fs::read(path).expect("it can be read"), false);
            count += 1;
        }
        assert!(count >= 10, "{name} has a corpus");
    }
}
