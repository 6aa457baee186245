//! A role without rights: what it may see it sees, and what it may not is explained with the grant that lifts it.

use crate::{console, fill, run, shop};
use headroom_engine::actions::{self, ActionError, Request};
use headroom_model::{Actor, Role, access::Proof};
use headroom_sandbox::test::on_each_postgres;

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_sees_what_it_may_and_is_told_what_it_lacks() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let role = format!("bare_{}", database.name());
        database.server().create_login(&role).await.unwrap();
        let console = console(database.server().url_as(&role, database.name())).await;
        let list = console.tables.list(&shop()).await.unwrap();
        assert_eq!(list.tables.len(), 2);
        let orders = list.tables.iter().find(|table| table.name == "orders").unwrap();
        assert!(orders.size_bytes.is_some() && orders.dead_rows == 10_000, "{orders:#?}");
        assert!(
            orders.bloat.is_none() && orders.bloat_unknown.as_ref().unwrap().contains("may not read"),
            "{orders:#?}"
        );
        let grant = format!("GRANT pg_monitor TO \"{role}\";");
        assert_eq!(list.limitations[0].remedy, grant);
        assert_eq!(console.tables.vacuum(&shop()).await.unwrap().limitations[0].remedy, grant);
        assert_eq!(console.tables.replication(&shop()).await.unwrap().limitations[0].remedy, grant);
        let size = console.database_size(&shop()).await.unwrap();
        assert!(size.wal_bytes.is_none() && size.database_bytes > 0 && size.limitations[0].remedy == grant);
        console.tables.stats(&shop()).await.unwrap();
        console.tables.settings(&shop()).await.unwrap();
        console.tables.detail(&shop(), "shop.orders").await.unwrap();

        // Nothing is pretended: VACUUM would skip the table with a mere warning.
        let preview = console.tables.preview_optimize(&shop(), "shop.orders").await.unwrap();
        let missing = preview.missing.unwrap();
        let request = Request {
            actor: Actor { name: "ann".into(), role: Role::Operator, proof: Proof::Session },
            origin: None,
            reason: None,
        };
        let refused = actions::optimize(&console, &shop(), "shop.orders", &request).await.unwrap_err();
        assert!(matches!(&refused, ActionError::NotAllowed { remedy, .. } if *remedy == missing.remedy), "{refused}");
        let expected = if database.major() >= 17 {
            "GRANT MAINTAIN ON TABLE \"shop\".\"orders\" TO"
        } else {
            "GRANT \"postgres\" TO"
        };
        assert!(missing.remedy.starts_with(expected), "{missing:?}");
        if database.major() >= 17 {
            let statement = missing.remedy.split("; --").next().unwrap();
            run(&database, statement).await;
            let preview = console.tables.preview_optimize(&shop(), "shop.orders").await.unwrap();
            assert_eq!(preview.missing, None);
        }
        console.shutdown().await;
        run(&database, &format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
    })
    .await;
}
