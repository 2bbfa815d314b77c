package instancetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
)

// forgery is one attempt to approve the target without being two people who
// may. Each is refused, and says why in words of its own.
type forgery struct {
	name, reason string
	try          func(f *forger) error
	says         string // in the response; "" for signals, which have none
	leaf         string // in the leaf it leaves on the call: code and message
	leaves       int    // how many, where it is not one
}

// atTheAPI are votes posted with another person's token, or without a valid
// one. The ledger gets no leaf for a caller without a token, nor for a person
// who may not see the call.
func atTheAPI() []forgery {
	bearing := func(token func(f *forger) string) func(f *forger) error {
		return func(f *forger) error { return f.posts(token(f), f.yes(), "") }
	}
	as := func(who string) func(f *forger) error {
		return bearing(func(f *forger) string { return f.Token(f.t, who) })
	}
	forged := func(s func(f *forger) signer, c claims) func(f *forger) error {
		return bearing(func(f *forger) string { return f.access(s(f), c) })
	}
	people := func(f *forger) signer { return f.people }
	now := time.Now().Unix()
	return []forgery{
		{name: "Agent", reason: "the agent itself", try: as("deploy-bot"), says: "not_a_person", leaf: "not_a_person"},
		{name: "OtherAgent", reason: "an agent for another", try: as("triage-bot"), says: "not_a_person", leaf: "not_a_person"},
		{name: "Owner", reason: "alice owns the agent", try: as("alice"), says: "alice owns the agent deploy-bot", leaf: "own_agent"},
		{name: "Operator", reason: "operators stop calls, and approve none", try: as("olga"), says: "olga is in none of the groups [sre]", leaf: "not_eligible: olga"},
		{name: "Auditor", reason: "auditors look", try: as("audra"), says: "audra is in none of the groups [sre]", leaf: "not_eligible: audra"},
		{name: "OtherGroup", reason: "dave does not even see the call", try: as("dave"), says: "no_call", leaves: -1},
		{name: "NoToken", reason: "the request has no token", try: bearing(func(*forger) string { return "" }), says: "no_token", leaves: -1},
		{
			name: "NoneAlgorithm", reason: "every program can make an unsigned token", says: `signed with "none"`, leaf: `bad_token: the token is signed with "none"`,
			try: bearing(func(f *forger) string {
				return unsigned(f.access(f.own, nil), `{"alg":"none","kid":"`+f.people.kid+`"}`) + "c2ln"
			}),
		},
		{
			name: "HMACWithPublic", reason: "a public key is no secret", says: `signed with "HS256"`, leaf: `signed with "HS256"`,
			try: bearing(func(f *forger) string { return hmacked(f.access(f.own, nil), f.people) }),
		},
		{name: "OwnKey", reason: "the key is not the provider's", try: forged(func(f *forger) signer { return f.own }, nil), says: "signature is not by", leaf: "signature is not by"},
		{name: "AgentsKey", reason: "an issuer signs for itself", try: forged(func(f *forger) signer { return f.agents }, nil), says: "is none of", leaf: "is none of"},
		{
			name: "AgentsIssuer", reason: "an agents' issuer yields no person, whatever groups it says", says: `"bob" of`, leaf: "unknown_subject",
			try: bearing(func(f *forger) string {
				return f.access(f.agents, claims{"iss": f.Info().IdentityProvider + "/agents", "groups": []string{"sre"}})
			}),
		},
		{name: "Stranger", reason: "a genuine token of a subject that the identity table does not list", try: forged(people, claims{"sub": "mallory"}), says: `"mallory" of`, leaf: "unknown_subject"},
		{name: "Expired", reason: "it is over", try: forged(people, claims{"iat": now - 700, "exp": now - 100}), says: "expired at", leaf: "expired_token"},
		{name: "NotYet", reason: "it is not valid yet", try: forged(people, claims{"nbf": now + 3000}), says: "not valid before", leaf: "(nbf)"},
		{name: "FromTheFuture", reason: "it was not issued", try: forged(people, claims{"iat": now + 3000}), says: "in the future", leaf: "(iat) in the future"},
		{name: "ForTemporal", reason: "it was given for the Temporal UI", try: forged(people, claims{"aud": "temporal"}), says: `for ["temporal"]`, leaf: "other_audience"},
		{
			name: "VoteAsBearer", reason: "a vote is no identity", says: "other_audience", leaf: `for ["sallyport-approve"]`,
			try: bearing(func(f *forger) string { return f.signed(f.people, nil) }),
		},
		{name: "NoSubject", reason: "the token names no person", try: forged(people, claims{"sub": nil}), says: "must name its subject", leaf: "must name its subject"},
		{
			name: "OtherBallot", reason: "bob never saw that one", says: "names another ballot", leaf: "other_ballot",
			try: func(f *forger) error {
				paper := f.yes()
				paper.Ballot = sallyport.NewDigest("made up")
				return f.posts(f.Token(f.t, "bob"), paper, "")
			},
		},
		{
			name: "TwinsBallot", reason: "the same call twice is two ballots", says: "names another ballot", leaf: "other_ballot",
			try: func(f *forger) error {
				paper := f.yes()
				paper.Ballot = f.twins
				return f.posts(f.Token(f.t, "carol"), paper, "")
			},
		},
		{
			name: "NoVerdict", reason: "a yes is spelt in one way", says: "/verdict", leaves: -1,
			try: func(f *forger) error {
				return f.posts(f.Token(f.t, "bob"), sallyport.BallotPaper{Verdict: "APPROVE", Ballot: f.ballot}, "")
			},
		},
	}
}

// byIDToken are ID tokens that bob hands in and that are no votes of his.
func byIDToken() []forgery {
	now := time.Now().Unix()
	handsIn := func(name, reason, says string, token func(f *forger) string) forgery {
		return forgery{name: "IDToken" + name, reason: reason, says: says, leaf: "bad_evidence: ", try: func(f *forger) error { return f.handsIn(token(f)) }}
	}
	with := func(c claims) func(f *forger) string { return func(f *forger) string { return f.signed(f.people, c) } }
	return []forgery{
		handsIn("Garbage", "it is none", "can't be read", func(*forger) string { return "yes" }),
		handsIn("None", "every program can make an unsigned token", `signed with "none"`, func(f *forger) string {
			return unsigned(f.signed(f.own, nil), `{"alg":"none","kid":"`+f.people.kid+`"}`) + "c2ln"
		}),
		handsIn("HMAC", "a public key is no secret", `signed with "HS256"`, func(f *forger) string { return hmacked(f.signed(f.own, nil), f.people) }),
		handsIn("OwnKey", "the key is not the provider's", "signature is not by", func(f *forger) string { return f.signed(f.own, nil) }),
		handsIn("AgentsIssuer", "group sre makes no person of an agent", "vouches for agents", func(f *forger) string {
			return f.signed(f.agents, claims{"iss": f.Info().IdentityProvider + "/agents", "groups": []string{"sre"}})
		}),
		handsIn("UnknownIssuer", "the identity table does not trust this issuer", "is not in the identity table", with(claims{"iss": "https://evil.example.com"})),
		handsIn("Expired", "it was kept back", "expired at", with(claims{"auth_time": now - 60, "iat": now - 60, "exp": now - 30})),
		handsIn("NotYet", "it is not valid yet", "not valid yet", with(claims{"nbf": now + 3000})),
		handsIn("FromTheFuture", "it was not issued", "in the future", with(claims{"iat": now + 3000, "exp": now + 3600})),
		handsIn("Silent", "bob was logged in, and the provider did not ask him again", "logged in before the ballot was opened", with(claims{"auth_time": now - 3600})),
		handsIn("NoLogIn", "the token does not prove that bob was asked", "auth_time", with(claims{"auth_time": nil})),
		handsIn("ForTheUI", "it logged bob in elsewhere", `for ["temporal-ui"]`, with(claims{"aud": "temporal-ui"})),
		handsIn("TwoAudiences", "a vote is for nothing else", `"temporal-ui"`, with(claims{"aud": []string{"sallyport-approve", "temporal-ui"}})),
		handsIn("OtherParty", "another application asked for it", "azp", with(claims{"azp": "temporal-ui"})),
		handsIn("AccessToken", "it was signed for another purpose", "access token", func(f *forger) string {
			return f.access(f.people, claims{"aud": "sallyport-approve", "nonce": sallyport.VoteNonce(sallyport.Approve, f.ballot)})
		}),
		handsIn("NoNonce", "bob logged in, and voted on nothing", "was not issued for a vote", with(claims{"nonce": nil})),
		handsIn("OtherNonce", "bob logged in for something else", "was not issued for a vote", with(claims{"nonce": "n-0S6_WzA2Mj"})),
		handsIn("TwinsBallot", "bob voted on the identical call", "the ID token is for ballot", func(f *forger) string {
			return f.signed(f.people, claims{"nonce": sallyport.VoteNonce(sallyport.Approve, f.twins)})
		}),
		handsIn("NoForAYes", "bob said no", `says "reject", and the vote "approve"`, func(f *forger) string {
			return f.signed(f.people, claims{"nonce": sallyport.VoteNonce(sallyport.Reject, f.ballot)})
		}),
		handsIn("Carols", "carol signed, and bob hands it in", "is of carol, and the vote was sent by bob", with(claims{"sub": "carol"})),
		handsIn("NoSubject", "the token names no person", "must name its subject", with(claims{"sub": nil})),
		handsIn("NoExpiry", "it could be kept for ever", "must say when", with(claims{"exp": nil})),
		{
			name: "IDTokenOwner", reason: "a signature makes no owner a stranger", says: "alice owns the agent", leaf: "own_agent",
			try: func(f *forger) error {
				return f.posts(f.Token(f.t, "alice"), f.yes(), f.signed(f.people, claims{"sub": "alice"}))
			},
		},
		{
			name: "IDTokenYesterday", reason: "a vote from before the ballot was opened is a vote on another question", says: "was open until", leaf: "not_waiting",
			try: func(f *forger) error {
				return f.handsIn(f.signed(f.people, claims{"auth_time": now - 86400, "iat": now - 86400}))
			},
		},
	}
}

// atTemporal are signals and other requests to the Temporal server and its UI.
// Those that the server itself refuses reach no call and leave no leaf.
func atTemporal() []forgery {
	junk := map[string]any{"verdict": "approve", "ballot": "all of them"}
	signals := func(who string, input func(f *forger) any) func(f *forger) error {
		return func(f *forger) error { return f.signals(f.temporalToken(who), f.target, input(f)) }
	}
	yes := func(f *forger) any { return f.yes() }
	denied := "PermissionDenied"
	return []forgery{
		{name: "SignalByAgent", reason: "an agent's token is none for Temporal", try: signals("deploy-bot", yes), says: "Unauthenticated|PermissionDenied", leaves: -1},
		{
			name: "SignalWithAPIToken", reason: "nor is the agent's token for the API", says: "Unauthenticated|PermissionDenied", leaves: -1,
			try: func(f *forger) error { return f.signals(f.Token(f.t, "deploy-bot"), f.target, f.yes()) },
		},
		{name: "SignalWithoutToken", reason: "no token", try: func(f *forger) error { return f.signals("", f.target, f.yes()) }, says: denied, leaves: -1},
		{name: "SignalByOperator", reason: "operators don't signal", try: signals("olga", yes), says: denied, leaves: -1},
		{name: "SignalByOtherGroup", reason: "dave has no business there", try: signals("dave", yes), says: denied, leaves: -1},
		{
			name: "SignalForged", reason: "a token with a key of one's own", says: "Unauthenticated|PermissionDenied", leaves: -1,
			try: func(f *forger) error { return f.signals(f.access(f.own, claims{"aud": "temporal"}), f.target, f.yes()) },
		},
		{name: "SignalByOwnerAsBob", reason: "the client states jwt/bob as its identity, and the server ignores that", try: signals("alice", yes), leaf: "own_agent: alice"},
		{
			name: "SignalNamingBob", reason: "a payload says nothing of who sent it", leaf: "own_agent|bad_evidence",
			try: signals("alice", func(f *forger) any {
				return map[string]any{"verdict": "approve", "ballot": f.ballot, "principal": "bob"}
			}),
		},
		{name: "SignalJunk", reason: "bob's junk is no vote", try: signals("bob", func(*forger) any { return junk }), leaf: "other_ballot|bad_evidence"},
		{name: "SignalNothing", reason: "an empty signal is no vote", try: signals("bob", func(*forger) any { return nil }), leaf: "bad_evidence"},
		{
			name: "JunkAfterForgery", reason: "the verdict of one event and the principal of another make no vote", leaf: "own_agent", leaves: 2,
			try: func(f *forger) error {
				return errors.Join(f.signals(f.temporalToken("alice"), f.target, f.yes()), f.signals(f.temporalToken("bob"), f.target, junk))
			},
		},
		{
			name: "ForgeryAfterJunk", reason: "nor the other way round", leaf: "own_agent", leaves: 2,
			try: func(f *forger) error {
				return errors.Join(f.signals(f.temporalToken("bob"), f.target, junk), f.signals(f.temporalToken("alice"), f.target, f.yes()))
			},
		},
		{
			name: "SignalWithTwinsBallot", reason: "a copied vote is for another call", leaf: "other_ballot",
			try: signals("bob", func(f *forger) any {
				return sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: f.twins}
			}),
		},
		{
			name: "OtherSignal", reason: "the only signal is approve", says: denied, leaves: -1,
			try: func(f *forger) error {
				return f.at(f.temporalToken("bob")).SignalWorkflow(f.t.Context(), "call-"+f.target, "", "vote", f.yes())
			},
		},
		{
			name: "Update", reason: "the update is the API's", says: denied, leaves: -1,
			try: func(f *forger) error {
				_, err := f.at(f.temporalToken("bob")).UpdateWorkflow(f.t.Context(), temporal.UpdateWorkflowOptions{
					WorkflowID: "call-" + f.target, UpdateName: "vote", Args: []any{"x"}, WaitForStage: temporal.WorkflowUpdateStageCompleted,
				})
				return err
			},
		},
		{
			name: "SignalWithStart", reason: "people start nothing", says: denied, leaves: -1,
			try: func(f *forger) error {
				_, err := f.at(f.temporalToken("bob")).SignalWithStartWorkflow(f.t.Context(), "call-"+f.target, "approve", f.yes(),
					temporal.StartWorkflowOptions{TaskQueue: "sallyport"}, "ToolCall", "x")
				return err
			},
		},
		{
			name: "StartToolCall", reason: "people start nothing", says: denied, leaves: -1,
			try: func(f *forger) error {
				_, err := f.at(f.temporalToken("bob")).ExecuteWorkflow(f.t.Context(), temporal.StartWorkflowOptions{ID: "call-x", TaskQueue: "sallyport"}, "ToolCall", "x")
				return err
			},
		},
		{
			name: "StartRun", reason: "no person's role may start activities", says: denied, leaves: -1,
			try: func(f *forger) error {
				_, err := f.at(f.temporalToken("olga")).ExecuteActivity(f.t.Context(), temporal.StartActivityOptions{
					ID: "x", TaskQueue: "sallyport", StartToCloseTimeout: time.Minute,
				}, "Run", "x")
				return err
			},
		},
		{
			name: "AnswerAnActivity", reason: "people are no workers", says: denied, leaves: -1,
			try: func(f *forger) error {
				return f.at(f.temporalToken("bob")).CompleteActivityByID(f.t.Context(), "default", "call-"+f.target, "", "7", "x", nil)
			},
		},
		{
			name: "ResetWithVotes", reason: "an operator's reset carries no votes", says: denied, leaves: -1,
			try: func(f *forger) error {
				_, err := f.at(f.temporalToken("olga")).WorkflowService().ResetWorkflowExecution(f.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
					Namespace: "default", WorkflowExecution: execution(f.target), WorkflowTaskFinishEventId: 4, RequestId: "x",
				})
				return err
			},
		},
		{
			name: "TerminateByApprover", reason: "people vote no instead", says: denied, leaves: -1,
			try: func(f *forger) error {
				return f.at(f.temporalToken("bob")).TerminateWorkflow(f.t.Context(), "call-"+f.target, "", "x")
			},
		},
		{
			name: "UIWithAgentsToken", reason: "the UI knows who logged in", says: "401|403", leaves: -1,
			try: func(f *forger) error {
				r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost,
					f.Info().TemporalUI+"/api/v1/namespaces/default/workflows/call-"+f.target+"/signal/approve", strings.NewReader("{}"))
				if err != nil {
					return err
				}
				r.Header.Set("Authorization", "Bearer "+f.Token(f.t, "deploy-bot"))
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					return err
				}
				_ = resp.Body.Close()
				return fmt.Errorf("the UI answers %s", resp.Status)
			},
		},
	}
}

// oncePerPerson are second votes of bob's, after his first has counted.
func oncePerPerson() []forgery {
	return []forgery{
		{
			name: "Again", reason: "one vote per person", says: "bob has voted", leaf: "already_voted",
			try: func(f *forger) error { return f.posts(f.Token(f.t, "bob"), f.yes(), "") },
		},
		{
			name: "AgainByIDToken", reason: "whatever the evidence", says: "bob has voted", leaf: "already_voted",
			try: func(f *forger) error { return f.handsIn(f.signed(f.people, nil)) },
		},
		{
			name: "AgainBySignal", reason: "whatever the way", leaf: "already_voted",
			try: func(f *forger) error { return f.signals(f.temporalToken("bob"), f.target, f.yes()) },
		},
		{
			name: "OtherAccount", reason: "two accounts of a person are one person", says: "bob has voted", leaf: "already_voted",
			try: func(f *forger) error { return f.posts(f.access(f.people, claims{"sub": "robert"}), f.yes(), "") },
		},
	}
}
