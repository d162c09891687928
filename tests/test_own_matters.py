"""Questions about the user's own things: said to be unknown where nothing tells them, and no other question refused."""

from __future__ import annotations

import pytest

from assistant.rules.own import own_matter

ONLY_THE_USER_KNOWS = """\
how much is my rent
what's my landlord's name
when is my passport valid until
when does my passport expire
until when is my passport valid
what's my wifi password
what is the password of our wifi
where did I park my car
when is my mother's birthday
how high is our rent
what is my blood type
what's my license plate
what is my account number
when does my contract end
who is my doctor
what is my doctor's phone number
what's the phone number of my dentist
what's my name
how old am I
what's my address?
where do I live
what is my shoe size
when did I buy my washing machine
how long is the warranty on my fridge
how much did I pay for my bike
when is my rent due?
where are my keys
where is my passport
what's my pin
what is my salary
when do my holidays start
when is our wedding anniversary
what's the combination of my locker
how much do I pay for my internet
how much do we pay for electricity per month
what's my dog's name
who is my landlord
what brand is our boiler
when was our boiler last serviced
is my passport still valid
do you know when my lease ends
which bank is my account with
what is my favourite colour
how much was my last electricity bill
what's my employee number
how long is my notice period
what is our contract number
how tall am I
what colour is my car
who did I lend my drill to
how many vacation days do I have left
when is our boiler inspection
what does my contract say about pets
how much does my car insurance cost
what's the licence plate of my car
when is my brother's wedding
how much is our mortgage
when does my gym membership end
what's the name of my insurance company
where is my birth certificate
who is my tax advisor
how old is my father
what's my son's shoe size
when did we buy our fridge
how long is my contract still valid
when is my next dentist appointment
what's the code for our garage
how much did my laptop cost
what is my mobile number
which doctor is my wife at
where did we store our winter tyres
what is our neighbour's name
how heavy is my suitcase
how many sick days do I have left
when was my car last serviced
tell me when my visa expires
what's my frequent flyer number
when do my exams start
what is my mother's maiden name
how much is my pension
what time is my flight
what's our wifi called
"""

A_MODEL_MAY_ANSWER = """\
my back hurts, what can I do
write a poem for my mother
help me with my homework on photosynthesis
how do I clean my oven
how can I improve my English
what should I cook for my family
why is my wifi slow
what is wrong with my code
how often should I water my plants
what can I do with my old laptop
what is the best way to invest my money
when should I plant my tomatoes
how much should I pay my babysitter
how much water does my body need
why does my dog bark
what do I do about my noisy neighbour
how long should I boil my eggs
what are my rights as a tenant
what are my options
what should my resume look like
what is my star sign if I was born on 3 May
what's my BMI if I weigh 70 kg and am 1.80 m
what time should my kids go to bed
how can I tell my boss that I quit
where can I sell my car
where should I put my sofa
can you check my grammar: he go home
what is my dog trying to tell me
what is my cat thinking
how old is my dog in human years
how old is our planet
what is our galaxy called
where is my liver
where is my appendix
how long is my intestine
who is our president
what is the meaning of my name
what is the cause of my headache
what is the best food for my dog
what is the fastest way to my goal
what temperature should my fridge be
what pressure should our boiler have
what is my purpose in life
what is my next step
how much is my car worth
how do I write my own CV
is my password strong enough: hunter2
what nutrients do my plants need
what oil does my car need
why are my leaves yellow
how do I get rid of my cold
my son is 5, what can we play
my name is Anna
my rent is 900 euros, is that a lot?
what's my horoscope
what did I do wrong
what did I just say
what did I ask you before
when did we land on the moon
how can I save on my heating bill
how is my day going to be
who am I
what should I say at my wedding
tell me about our solar system
is my cat sick if it sneezes
what gift should I buy for my girlfriend
how do I change my name
where do I renew my passport
how do I renew my passport
how long does my passport take to be renewed
what happens when my contract ends
can my landlord raise my rent
how do I ask my landlord for a repair
what's the difference between my and mine
how do I cancel my contract
what documents do I need for my visa
what are my chances of winning the lottery
how many bones do I have
how much sleep do I need
what is my problem
what can I do in my free time
explain my options for retirement
rewrite my sentence: I goes home
summarise my text
make my bed sound fancy
when is the best time to see my doctor
why did my cake sink
what is my heart rate supposed to be
what is our currency
what's our next holiday
my printer is broken
which of my shirts is better, red or blue
give me names for my cat
what is my house made of if it is adobe
how far is my house from the moon
what are my eyes made of
who was our first president
what's my fault
what is my job as a parent
what is my role in a team
what is my best feature
how do I tell my parents I failed
how can I make my dog stop barking
what's my blood made of
what are my strengths
when should I service my car
who is my zodiac compatible with
how old is my cat in human years if she is 3
what should I name my boat
what is my carbon footprint
where do my taxes go
why is my tea bitter
what does my dream mean
what is my website missing
how much is my stock of gold worth
how much should my dog weigh
is my computer fast enough for games
what do I need for my garden
when do my muscles grow
how long do my tomatoes need
what is our planet's age
where does my food come from
where does my garbage go
who invented my favourite drink, coffee
what is my tongue covered with
how big is my stomach
how strong is my heart
who are our neighbours in space
how can my team work better
what is my name in Japanese
what is my job called if I repair shoes
what makes my bread rise
what is my IP
what is our world coming to
what's my opinion worth
what are my neighbours allowed to do
when is my baby due if I conceived on 1 May
how much is my share if we split 90 by 3
what colour are my veins
which part of my brain sees
what happens to my data
what is my ideal weight
who would win, my dad or Superman
what is my sentence missing
what's my credit score based on
how tall will my son be
what is our goal as humans
tell me what my text is about
tell me why my code crashes
what's the capital of my country, Peru
"""


@pytest.mark.parametrize("question", ONLY_THE_USER_KNOWS.splitlines())
def test_a_fact_of_the_users_own_is_recognised(question: str) -> None:
    assert own_matter(question), question


@pytest.mark.parametrize("question", A_MODEL_MAY_ANSWER.splitlines())
def test_what_a_model_may_answer_is_not_refused(question: str) -> None:
    assert own_matter(question) == ""


@pytest.mark.parametrize(
    ("question", "matter"),
    [
        ("How much is my rent?", "my rent"),
        ("what's the phone number of my dentist, please", "the phone number of my dentist"),
        ("when is my passport valid until", "my passport"),
        ("how much do we pay for electricity per month", "the cost of electricity"),
        ("how many vacation days do I have left", "my vacation days"),
        ("how old am I?", "my age"),
    ],
)
def test_what_is_asked_for_is_named_as_the_user_does(question: str, matter: str) -> None:
    assert own_matter(question) == matter
