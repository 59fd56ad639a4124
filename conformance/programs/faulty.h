/* SPDX-License-Identifier: MIT
 * How the module of faulty.c is told to misbehave, by programs that have loaded it. */

/* What happens at the chosen call. */
enum faulty {
    FAULTY_NOTHING,
    FAULTY_ANSWER,        /* the call is not made; the argument is answered */
    FAULTY_LOSE_SESSIONS, /* all sessions are closed, then the call is made */
    FAULTY_LOSE_LOGIN,    /* everybody is logged out, then the call is made */
    FAULTY_FINALIZE,      /* the module is finalised, then the call is made */
    FAULTY_AWAY,          /* the device with all sessions is gone for this call and as many more as the argument says */
    FAULTY_HANG,          /* the call is not made before faulty_release */
};

/* Added to one of them: not once, but at all calls from then on. */
enum { FAULTY_FROM_THEN_ON = 0x100 };

/* The mechanism that the module has of its own, and what it tells of it. Its parameter is the number of another mechanism
 * and then the parameter of that one, which is what is done. */
#define FAULTY_PACKED 0x80fa0017ul
enum { FAULTY_LEAST = 16, FAULTY_MOST = 4711, FAULTY_USES = 0x20300 };

/* The token has a PIN pad from now on, where this PIN is typed when one is asked for; with NULL the asking is cancelled. */
void faulty_pin_pad(const char *pin);

/* How often a PIN was asked for at the pad since then. */
unsigned long faulty_prompts(void);

/* How many threads were in the module behind at a time at the most, and whether C_Initialize was told last that there are
 * several. */
unsigned long faulty_crowd(void);
int faulty_threads(void);

/* At the call with this number from now on, which counts from 1; what was chosen before is forgotten. */
void faulty_arm(unsigned long at, int how, unsigned long argument);

/* The same at the next call of the function with this name, or at all of them from then on. */
void faulty_arm_function(const char *name, int how, unsigned long argument);

/* How often a call was made in a session while another call was in it. */
unsigned long faulty_overlaps(void);

/* The next length of a signature that is asked for is told so many bytes too short. */
void faulty_understate(unsigned long bytes);

/* From now on it makes the IV itself as an encryption with CKM_AES_GCM begins, each time another, and writes it to where
 * the application has its own. */
void faulty_make_ivs(void);

/* How many calls were made since faulty_arm, in all threads. */
unsigned long faulty_calls(void);

/* The function that misbehaved last since faulty_arm; NULL where none has. */
const char *faulty_struck(void);

/* How many calls hang now. */
unsigned long faulty_hanging(void);

/* Nothing is chosen any more, and the calls that hang are made; ends when they are. */
void faulty_release(void);
