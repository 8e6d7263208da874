//! The shop as the people in it know it: what is sold, who staff is, what was done so far.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use auth_service::{Actor, CreateApiKey};
use contracts::Permission;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Ask, Identity},
    history::{Act, What},
    world::{Place, World, lock},
};

/// Something that is sold.
#[derive(Debug, Clone)]
pub struct Variant {
    /// `var_…`
    pub id: String,
    /// How many there were at first.
    pub supplied: i64,
    /// False for what never runs out.
    pub tracked: bool,
}

/// An order that somebody knows of.
#[derive(Debug, Clone)]
pub struct KnownOrder {
    /// `ord_…`
    pub id: String,
    /// Whose it is.
    pub owner: Identity,
}

/// The shop.
pub struct Shop {
    /// Where it is.
    pub world: Arc<World>,
    /// What is sold.
    pub variants: Vec<Variant>,
    /// Staff with all permissions.
    pub staff: Identity,
    history: Mutex<Vec<Act>>,
    orders: Mutex<Vec<KnownOrder>>,
    owners: Mutex<BTreeMap<String, Identity>>,
}

/// What is sold: SKU, price, units, whether they are counted, whether more may be sold.
const SHELF: [(&str, i64, i64, bool, bool); 5] = [
    ("SIM-ONE", 11_000, 1, true, false),
    ("SIM-FEW", 7_700, 4, true, false),
    ("SIM-MANY", 3_333, 40, true, false),
    ("SIM-ENDLESS", 49_999, 0, false, false),
    ("SIM-BACKORDER", 25_000, 2, true, true),
];

/// Why a shop could not be set up.
pub type SetUpError = String;

impl Shop {
    /// Sets the shop up, in a world whose faults rest.
    pub async fn set_up(world: &Arc<World>) -> Result<Arc<Self>, SetUpError> {
        let auth = world.parts(Place::Auth).auth.ok_or("auth is down")?;
        auth_service::ensure_admin(&auth, "admin@example.com").await.map_err(|error| error.to_string())?;
        let request =
            CreateApiKey { name: "staff".to_owned(), permissions: Permission::ALL.to_vec(), expires_at: None };
        let (_, secret) =
            auth_service::create_api_key(&auth, &Actor::system(), request).await.map_err(|error| error.to_string())?;
        let staff = Identity::Bearer(secret.expose_secret().to_owned());
        let mut variants = Vec::new();
        for (sku, price, units, tracked, backorder) in SHELF {
            let product = json!({
                "handle": sku.to_lowercase(), "status": "active", "title": {"en": sku},
                "variants": [{
                    "sku": sku, "track_stock": tracked, "allow_backorder": backorder, "on_hand": units,
                    "prices": [{"amount": {"amount_minor": price, "currency": "KRW"}}],
                }],
            });
            let made = world.ask(&Ask::post(&staff, "/v1/products", sku, product)).await;
            let Answer::Done(made) = &made else { return Err(format!("{sku} was not made: {made:?}")) };
            let id = text(&made["variants"][0]["id"]);
            variants.push(Variant { id, supplied: units, tracked });
        }
        let world = Arc::clone(world);
        Ok(Arc::new(Self {
            world,
            variants,
            staff,
            history: Mutex::default(),
            orders: Mutex::default(),
            owners: Mutex::default(),
        }))
    }

    /// Tries something and keeps the outcome for judgement.
    pub async fn act(&self, what: What, ask: Ask, tries: u32) -> Answer {
        let began = self.world.moment();
        let answer = self.world.insist(&ask, tries).await;
        let ended = self.world.moment();
        lock(&self.history).push(Act { what, began, ended, answer: answer.clone(), ask });
        answer
    }

    /// Keeps what was just done together with something else.
    pub fn note(&self, what: What, answer: Answer, ask: Ask) {
        let moment = self.world.moment();
        lock(&self.history).push(Act { what, began: moment, ended: moment, answer, ask });
    }

    /// All that was tried.
    pub fn history(&self) -> Vec<Act> {
        lock(&self.history).clone()
    }

    /// Notes whose cart it is.
    pub fn own(&self, cart: &str, owner: Identity) {
        lock(&self.owners).insert(cart.to_owned(), owner);
    }

    /// All carts, and whose they are.
    pub fn carts(&self) -> BTreeMap<String, Identity> {
        lock(&self.owners).clone()
    }

    /// Notes an order that was placed.
    pub fn know(&self, order: KnownOrder) {
        let mut orders = lock(&self.orders);
        if orders.iter().all(|known| known.id != order.id) {
            orders.push(order);
        }
    }

    /// Orders that were placed.
    pub fn orders(&self) -> Vec<KnownOrder> {
        lock(&self.orders).clone()
    }

    /// Repeats every attempt that has a key and of which nobody knows the outcome; afterwards it is known. The
    /// faults must rest, and nothing may be under way.
    pub async fn settle_doubts(&self) {
        let acts = self.history();
        for (at, act) in acts.into_iter().enumerate() {
            if !act.answer.is_unknown() || act.ask.key.is_none() {
                continue;
            }
            let answer = self.world.insist(&act.ask, 20).await;
            let ended = self.world.moment();
            if let Some(act) = lock(&self.history).get_mut(at) {
                (act.answer, act.ended) = (answer, ended);
            }
        }
    }
}

/// The text of a JSON value; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The units of `variant` in a cart or order.
pub fn units_of(view: &Value, variant: &str) -> i64 {
    let lines = view["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter(|line| line["variant_id"] == variant).filter_map(|line| line["quantity"].as_i64()).sum()
}
