// SPDX-License-Identifier: MIT
//! What time does to what is known: the catalogue alone, on a clock that is moved by hand.

use super::names::Unlisted;
use super::*;
use crate::bridge::Asker;
use crate::call::{Reply, Request};
use crate::capability::Capability;
use crate::remote::catalogue::Catalogue;
use crate::remote::keeper::Keeper;
use crate::remote::kept::{Kept, Room};
use crate::remote::objects::Half;

const ROOM: Room = Room {
    max_tag_value: 256,
    has_sidecar: false,
};

struct Clock {
    catalogue: Arc<Catalogue>,
    asker: Asker,
    /// Outlives what asks.
    _runtime: Arc<Runtime>,
}

fn clock(service: Arc<dyn Service>) -> Clock {
    let runtime = Arc::new(Runtime::new());
    let bridge = Bridge::new(service, Settings::default(), Arc::clone(&runtime));
    let mut answer = bridge.start(None, async |asker| Ok(asker)).unwrap();
    let asker = answer
        .wait(Some(Instant::now() + Duration::from_secs(10)))
        .unwrap()
        .unwrap();
    let handles = Arc::new(HandleSource::starting_at(1));
    Clock {
        catalogue: Catalogue::new(Settings::default(), handles, false),
        asker,
        _runtime: runtime,
    }
}

impl Clock {
    fn asker(&self) -> Asker {
        self.asker
            .until(tokio::time::Instant::now() + Duration::from_secs(60))
    }

    async fn find(&self, label: &str) -> Vec<ObjectId> {
        let template = template(vec![(ck::CKA_LABEL, Value::bytes(label))]);
        let catalogue = Arc::clone(&self.catalogue);
        catalogue.find(self.asker(), template, true).await.unwrap()
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            catalogue: Arc::clone(&self.catalogue),
            sidecar: None,
        }
    }

    async fn label(&self, object: ObjectId) -> Vec<u8> {
        let (name, half) = self.catalogue.by_handle(object).unwrap();
        let detail = self.catalogue.detail(&self.asker(), &name).await.unwrap();
        detail
            .objects
            .half(half)
            .unwrap()
            .bytes(ck::CKA_LABEL)
            .unwrap()
            .to_vec()
    }
}

fn label(label: &str) -> Kept {
    Kept::of_change(&template(vec![(ck::CKA_LABEL, Value::bytes(label))]), ROOM).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_label_in_a_tag_that_was_set_here_outlives_the_listing_that_does_not_tell_it() {
    let memory = Arc::new(MemoryService::new(10));
    made(&memory, Some("before")).await;
    let clock = clock(Arc::new(Unlisted(memory, None)));
    let found = clock.find("before").await;
    let (name, _) = clock.catalogue.by_handle(found[0]).unwrap();
    let keeper = clock.keeper();
    keeper.keep(&clock.asker(), &name, label("after")).await.unwrap();
    for seconds in [0, 61, 121, 301] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert_eq!(clock.find("after").await, found, "{seconds} s later");
        assert_eq!(clock.label(found[0]).await, b"after", "{seconds} s later");
        assert!(clock.find("before").await.is_empty(), "{seconds} s later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_whose_label_is_in_a_tag_is_found_when_the_listing_does_not_tell_it() {
    let memory = Arc::new(MemoryService::new(10));
    let clock = clock(Arc::new(Unlisted(Arc::clone(&memory), None)));
    assert!(clock.find("new").await.is_empty());
    let name = made(&memory, Some("new")).await;
    let call = crate::call::DescribeKey { key: name.clone() };
    let info = ask(&*memory, call).await.unwrap();
    let spki = ask(&*memory, crate::call::FetchPublicKey { key: name.clone() })
        .await
        .unwrap();
    clock.catalogue.add(&info.listed);
    clock.catalogue.take(info, Some(spki)).unwrap();
    let private = clock.catalogue.handle(&name, Half::Private).unwrap();
    for seconds in [0, 61, 121] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert!(clock.find("new").await.contains(&private), "{seconds} s later");
        assert_eq!(clock.label(private).await, b"new", "{seconds} s later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_waited_for_is_looked_at_before_anything_is_said_of_the_key() {
    let memory = Arc::new(MemoryService::new(10));
    made(&memory, Some("before")).await;
    let faulty = Faulty::new(Arc::new(Late(Arc::clone(&memory))));
    let clock = clock(faulty);
    let found = clock.find("before").await;
    let (name, _) = clock.catalogue.by_handle(found[0]).unwrap();
    let (keeper, asker) = (clock.keeper(), clock.asker());
    let keep = keeper.keep(&asker, &name, label("after"));
    tokio::time::timeout(Duration::from_secs(1), keep)
        .await
        .unwrap_err();
    assert_eq!(clock.find("after").await, found);
    assert_eq!(clock.label(found[0]).await, b"after");
    assert!(clock.find("before").await.is_empty());
}

/// A service that does what it is asked, and says so for updates long after.
struct Late(Arc<MemoryService>);

impl Service for Late {
    fn capability(&self) -> &Capability {
        self.0.capability()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Reply<'a> {
        Box::pin(async move {
            let answer = self.0.answer(request).await;
            if request.kind() == CallKind::Update {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            answer
        })
    }
}
