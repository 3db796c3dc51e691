//! SCRAM by the letter and under attack, with a client of the tests' own at the other end.

use super::*;
use proptest::prelude::*;

/// A client that knows a password; it checks all that the server says.
#[derive(Debug)]
pub struct Client {
    /// `n`, `y` or `p=` and the kind.
    pub flag: &'static str,
    /// Whom to act as, or nothing.
    pub authzid: &'static str,
    /// As it is sent.
    pub user: String,
    /// What it knows.
    pub password: String,
    /// What its end of the TLS connection exports.
    pub exporter: Option<Exporter>,
}

/// What the server said is not what a server that knows the password says.
#[derive(Debug, PartialEq, Eq)]
pub struct Distrusts;

const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

impl Client {
    /// Whoever knows this password, without channel binding.
    pub fn unbound(user: &str, password: &str) -> Self {
        Self {
            flag: "n",
            authzid: "",
            user: user.into(),
            password: password.into(),
            exporter: None,
        }
    }

    /// The same, bound to this.
    pub fn bound(user: &str, password: &str, exporter: Exporter) -> Self {
        Self {
            flag: "p=tls-exporter",
            exporter: Some(exporter),
            ..Self::unbound(user, password)
        }
    }

    fn gs2(&self) -> String {
        let authzid = match self.authzid {
            "" => String::new(),
            name => format!("a={name}"),
        };
        format!("{},{authzid},", self.flag)
    }

    fn bare(&self) -> String {
        format!("n={},r={NONCE}", self.user)
    }

    pub fn first(&self) -> Vec<u8> {
        (self.gs2() + &self.bare()).into_bytes()
    }

    /// The last message, and what the server must say to it.
    pub fn last(&self, challenge: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Distrusts> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| Distrusts)?;
        let fields: Vec<&str> = challenge.split(',').collect();
        let [nonce, salt, count] = fields[..] else {
            return Err(Distrusts);
        };
        let nonce = nonce
            .strip_prefix("r=")
            .filter(|nonce| nonce.starts_with(NONCE))
            .ok_or(Distrusts)?;
        let salt = salt.strip_prefix("s=").ok_or(Distrusts)?;
        let salt = STANDARD.decode(salt).map_err(|_| Distrusts)?;
        let count = count
            .strip_prefix("i=")
            .and_then(|count| count.parse().ok());
        // As Cyrus SASL does; and a test need not compute two milliards.
        let count = count
            .filter(|count| (1..=65_536).contains(count))
            .ok_or(Distrusts)?;
        // RFC 7677's example shows that it is PBKDF2.
        let salt = salt.try_into().map_err(|_| Distrusts)?;
        let salted = *hi(self.password.as_bytes(), salt, count);
        let exporter = self.exporter.as_ref().map_or(&[][..], |exporter| exporter);
        let binding = STANDARD.encode([self.gs2().as_bytes(), exporter].concat());
        let unproven = format!("c={binding},r={nonce}");
        let signed = format!("{},{challenge},{unproven}", self.bare());
        let mut key = HMAC::mac(b"Client Key", salted);
        let stored = Hash::hash(&key);
        let hidden = HMAC::mac(signed.as_bytes(), stored);
        key.iter_mut()
            .zip(hidden)
            .for_each(|(to, with)| *to ^= with);
        let signature = HMAC::mac(signed.as_bytes(), HMAC::mac(b"Server Key", salted));
        Ok((
            format!("{unproven},p={}", STANDARD.encode(key)).into_bytes(),
            format!("v={}", STANDARD.encode(signature)).into_bytes(),
        ))
    }
}

/// What may come of an exchange.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Both are content.
    In,
    /// The client is not.
    Distrusted,
    /// The server is not.
    Failed(Failure),
}

/// Whoever is between client and server: for each of the four messages.
type Between<'a> = &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>;

/// Cheap keys: what they cost makes no difference here.
fn keys(password: &str) -> Keys {
    Keys::at(1, password.as_bytes(), [7; SALT_BYTES])
}

fn exchange(client: &Client, keys: &Keys, exporter: Option<Exporter>, between: Between) -> Fate {
    let plus = client.flag.starts_with("p=");
    let served = || {
        let first = between(0, client.first());
        let first = First::read(&first)?;
        let bound_to = first.bound_to(plus, exporter)?;
        Ok(first.challenge(keys.clone(), bound_to, [9; NONCE_BYTES]))
    };
    let (challenged, challenge) = match served() {
        Ok(served) => served,
        Err(failure) => return Fate::Failed(failure),
    };
    let Ok((last, expected)) = client.last(&between(1, challenge)) else {
        return Fate::Distrusted;
    };
    match challenged.proven(&between(2, last)) {
        Ok(signature) if between(3, signature.clone()) == expected => Fate::In,
        Ok(_) => Fate::Distrusted,
        Err(failure) => Fate::Failed(failure),
    }
}

fn nobody(_: usize, message: Vec<u8>) -> Vec<u8> {
    message
}

/// RFC 7677, section 3.
#[test]
fn the_example_of_rfc_7677_goes_as_it_is_written() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let challenged = Challenged {
        binding: "biws".into(),
        nonce: b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_vec(),
        signed: b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,".to_vec(),
        keys: Keys::at(4096, b"pencil", salt.try_into().unwrap()),
    };
    let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(
        challenged.proven(last).unwrap(),
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
    let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    let (ours, challenge) = first.challenge(challenged.keys.clone(), None, [0; NONCE_BYTES]);
    assert_eq!(
        (&ours.binding, first.user),
        (&challenged.binding, b"user".to_vec())
    );
    let challenge = String::from_utf8(challenge).unwrap();
    let [nonce, zero] = ["r=rOprNGfwEbeRWgbNEkqO", "AAAAAAAAAAAAAAAAAAAAAAAA"];
    assert_eq!(
        challenge,
        format!("{nonce}{zero},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    );
}

#[test]
fn names_are_unescaped_and_extensions_passed_over() {
    let first = First::read(b"y,a=Ur=3Dsel,n=Ku=2Crt,r=x,z=1=2,Q==").unwrap();
    assert_eq!(
        (first.authzid, first.user),
        (b"Ur=sel".to_vec(), b"Ku,rt".to_vec())
    );
    assert_eq!(first.gs2_header, b"y,a=Ur=3Dsel,");
    assert_eq!(first.bare, b"n=Ku=2Crt,r=x,z=1=2,Q==");
}

#[test]
fn what_is_no_first_message_fails_with_the_value_that_says_why() {
    use Failure::{ExtensionsNotSupported, InvalidEncoding, InvalidUserName};
    let long = [b"n,,n=".as_slice(), &[b'a'; MESSAGE_BYTES_MAX], b",r=x"].concat();
    let table: [(&[u8], Failure); 19] = [
        (b"", InvalidEncoding),
        (b"n", InvalidEncoding),
        (b"n,", InvalidEncoding),
        (b"n,,", InvalidEncoding),
        (b"n,,n=u", InvalidEncoding),
        (b"n,,r=x,n=u", InvalidEncoding),
        (b"n,,n=,r=x", InvalidEncoding),
        (b"n,,n=u,r=", InvalidEncoding),
        (b"n,,n=u,r=x y", InvalidEncoding),
        (b"n,,n=u,r=x,", InvalidEncoding),
        (b"n,,n=u,r=x,1=2", InvalidEncoding),
        (b"n,b=c,n=u,r=x", InvalidEncoding),
        (b"N,,n=u,r=x", InvalidEncoding),
        (b"n,,n=\xff,r=x", InvalidEncoding),
        (b"n,,n=u\0,r=x", InvalidEncoding),
        (b"n,,n=a=2cb,r=x", InvalidUserName),
        (b"n,a==,n=u,r=x", InvalidUserName),
        (b"n,,m=1,n=u,r=x", ExtensionsNotSupported),
        (b"n,,n=u,r=x,m=1", ExtensionsNotSupported),
    ];
    for (message, failure) in table {
        assert_eq!(
            First::read(message),
            Err(failure),
            "{}",
            message.escape_ascii()
        );
    }
    assert_eq!(First::read(&long), Err(InvalidEncoding));
}

/// ATTACKS P18: what is said of channel binding is held against what `front` saw.
#[test]
fn channel_binding_that_was_stripped_or_made_up_is_found_out() {
    use Failure::{BindingNotSupported, Other, ServerDoesSupportBinding, UnsupportedBindingType};
    let (none, some) = (None, Some([3; 32]));
    type Row = (
        &'static [u8],
        bool,
        Option<Exporter>,
        Result<Option<Exporter>, Failure>,
    );
    let table: [Row; 12] = [
        (b"n", false, none, Ok(None)),
        (b"n", false, some, Ok(None)),
        (b"y", false, none, Ok(None)),
        (b"y", false, some, Err(ServerDoesSupportBinding)),
        (b"p=tls-exporter", true, some, Ok(some)),
        (b"p=tls-exporter", true, none, Err(BindingNotSupported)),
        (b"p=tls-exporter", false, some, Err(BindingNotSupported)),
        (b"p=tls-unique", true, some, Err(UnsupportedBindingType)),
        (
            b"p=tls-server-end-point",
            true,
            none,
            Err(UnsupportedBindingType),
        ),
        (b"p=tls-unique", false, some, Err(BindingNotSupported)),
        (b"n", true, some, Err(Other)),
        (b"y", true, some, Err(Other)),
    ];
    for (flag, plus, exporter, expected) in table {
        let message = [flag, b",,n=u,r=x"].concat();
        let first = First::read(&message).unwrap();
        assert_eq!(
            first.bound_to(plus, exporter),
            expected,
            "{}",
            flag.escape_ascii()
        );
    }
}

/// ATTACKS P18: a man in the middle has two TLS connections, and can't make the
/// client's word for one pass for the other.
#[test]
fn whoever_sits_between_two_connections_is_found_out() {
    let (theirs, ours) = ([1; 32], [2; 32]);
    let bound = Client::bound("u", "pencil", theirs);
    assert_eq!(
        exchange(&bound, &keys("pencil"), Some(theirs), &nobody),
        Fate::In
    );
    let moved = exchange(&bound, &keys("pencil"), Some(ours), &nobody);
    assert_eq!(moved, Fate::Failed(Failure::BindingsDontMatch));
    // It makes "y" of a client that was told of no -PLUS into "n".
    let misled = Client {
        flag: "y",
        ..Client::unbound("u", "pencil")
    };
    let between = |which: usize, mut message: Vec<u8>| {
        if which == 0 {
            message[0] = b'n';
        }
        message
    };
    let stripped = exchange(&misled, &keys("pencil"), Some(ours), &between);
    assert_eq!(stripped, Fate::Failed(Failure::BindingsDontMatch));
}

#[test]
fn a_proof_is_for_one_exchange() {
    let client = Client::unbound("u", "pencil");
    let message = client.first();
    let first = First::read(&message).unwrap();
    let (_, challenge) = first.challenge(keys("pencil"), None, [1; NONCE_BYTES]);
    let (last, _) = client.last(&challenge).unwrap();
    let (again, _) = first.challenge(keys("pencil"), None, [2; NONCE_BYTES]);
    assert_eq!(again.proven(&last), Err(Failure::Other));
}

#[test]
fn what_is_no_last_message_fails_with_the_value_that_says_why() {
    use Failure::{BindingsDontMatch, ExtensionsNotSupported, InvalidEncoding, Other};
    let message = b"n,,n=u,r=x".to_vec();
    let first = First::read(&message).unwrap();
    let (challenged, _) = first.challenge(keys("pencil"), None, [0; NONCE_BYTES]);
    let proof = "p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let nonce = "r=xAAAAAAAAAAAAAAAAAAAAAAAA";
    let table = [
        (String::new(), InvalidEncoding),
        ("c=biws".into(), InvalidEncoding),
        (format!("c=biws,{nonce}"), InvalidEncoding),
        (format!("{nonce},c=biws,{proof}"), InvalidEncoding),
        (format!("c=biws,{nonce},{proof},z=1"), InvalidEncoding),
        (format!("c=biws,{nonce},p=AAAA"), InvalidEncoding),
        (
            format!("c=biws,{nonce},{}B=", &proof[..44]),
            InvalidEncoding,
        ),
        (
            format!("c=biws,{nonce},m=1,{proof}"),
            ExtensionsNotSupported,
        ),
        (format!("c=eSws,{nonce},{proof}"), BindingsDontMatch),
        (format!("c=biws,r=x,{proof}"), Other),
        (format!("c=biws,{nonce}A,{proof}"), Other),
        (format!("c=biws,{nonce},z=1,{proof}"), Failure::InvalidProof),
    ];
    for (last, failure) in table {
        assert_eq!(challenged.proven(last.as_bytes()), Err(failure), "{last}");
    }
}

#[test]
fn keys_do_not_print_themselves() {
    let keys = Keys::new(b"pencil", [7; SALT_BYTES]);
    assert_eq!(format!("{keys:?}"), "Keys");
    let first = First::read(b"n,,n=user,r=abc").unwrap();
    let (challenged, _) = first.challenge(keys.clone(), None, [1; NONCE_BYTES]);
    let printed = format!("{challenged:?}");
    for secret in [keys.stored_key, keys.server_key] {
        assert!(!printed.contains(&format!("{secret:?}")));
    }
}

#[test]
fn decoys_are_a_names_own_for_ever_and_nobody_has_their_password() {
    let decoy = Keys::decoy(&[1; 32], b"mallory@example.org");
    assert_eq!(decoy, Keys::decoy(&[1; 32], b"mallory@example.org"));
    assert_ne!(decoy.salt, Keys::decoy(&[1; 32], b"trent@example.org").salt);
    assert_ne!(
        decoy.salt,
        Keys::decoy(&[2; 32], b"mallory@example.org").salt
    );
    assert_eq!(decoy.iterations, ITERATIONS);
    assert_ne!(decoy.stored_key, decoy.server_key);
    let fate = exchange(
        &Client::unbound("u", ""),
        &Keys {
            iterations: 1,
            ..decoy
        },
        None,
        &nobody,
    );
    assert_eq!(fate, Fate::Failed(Failure::InvalidProof));
}

#[test]
fn a_password_is_the_same_however_it_was_composed() {
    let typed = Client::unbound("u", "fünf IX");
    assert_eq!(
        exchange(&typed, &keys("fu\u{308}nf \u{2168}"), None, &nobody),
        Fate::In
    );
}

fn client() -> impl Strategy<Value = Client> {
    let flags = prop::sample::select(vec!["n", "y", "p=tls-exporter"]);
    let authzids = prop::sample::select(vec!["", "x", "=2C"]);
    (flags, authzids, "[a-zäß@.+]{1,12}(=3D)?", "[ -~]{1,20}").prop_map(
        |(flag, authzid, user, password)| Client {
            flag,
            authzid,
            user,
            password,
            exporter: flag.starts_with('p').then_some([3; 32]),
        },
    )
}

proptest! {
    #[test]
    fn any_client_that_knows_the_password_gets_in(client in client()) {
        let fate = exchange(&client, &keys(&client.password), client.exporter, &nobody);
        prop_assert_eq!(fate, Fate::In);
    }

    #[test]
    fn no_client_gets_in_with_another_password(client in client(), other in "[ -~]{1,20}") {
        prop_assume!(other != client.password);
        let fate = exchange(&client, &keys(&other), client.exporter, &nobody);
        prop_assert_eq!(fate, Fate::Failed(Failure::InvalidProof));
    }

    /// ATTACKS P18: in any of the four messages.
    #[test]
    fn a_single_changed_byte_keeps_the_client_out(client in client(), which in 0usize..4, at: prop::sample::Index, with in 1u8..) {
        let between = |now: usize, mut message: Vec<u8>| {
            if now == which {
                let at = at.index(message.len());
                message[at] ^= with;
            }
            message
        };
        let fate = exchange(&client, &keys(&client.password), client.exporter, &between);
        prop_assert_ne!(fate, Fate::In);
    }

    #[test]
    fn a_byte_more_or_less_keeps_the_client_out(client in client(), which in 0usize..4, at: prop::sample::Index, more: Option<u8>) {
        let between = |now: usize, mut message: Vec<u8>| {
            if now == which {
                let at = at.index(message.len());
                match more {
                    Some(byte) => message.insert(at, byte),
                    None => drop(message.remove(at)),
                }
            }
            message
        };
        let fate = exchange(&client, &keys(&client.password), client.exporter, &between);
        prop_assert_ne!(fate, Fate::In);
    }

    #[test]
    fn any_bytes_are_read_or_refused(first: Vec<u8>, last: Vec<u8>, plus: bool) {
        let read = First::read(&first).and_then(|first| first.bound_to(plus, None));
        prop_assert!(read.is_err() || first.len() >= 8);
        let message = b"n,,n=u,r=x".to_vec();
        let (challenged, _) = First::read(&message).unwrap().challenge(keys("x"), None, [0; NONCE_BYTES]);
        prop_assert!(challenged.proven(&last).is_err());
    }
}
